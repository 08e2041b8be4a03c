#pragma once
/// A bare remote, checkouts of it, and the status_board to try with them.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/running_program.hpp"

namespace testing {

class board_site {
 public:
  /// The remote refuses what is forced. `settings` is the checkout's configuration.
  explicit board_site(const std::string& settings = {});

  [[nodiscard]] const scratch_directory& directory() const { return here_; }
  [[nodiscard]] std::filesystem::path remote() const { return here_ / "remote.git"; }
  [[nodiscard]] std::filesystem::path checkout() const { return here_ / "checkout"; }
  [[nodiscard]] std::filesystem::path lock() const { return checkout() / ".git" / "status_board.lock"; }
  [[nodiscard]] std::filesystem::path file_of(const std::string& job) const;
  /// Another checkout of the same remote.
  [[nodiscard]] std::filesystem::path clone(const std::string& name) const;
  void configure(const std::string& settings, const std::filesystem::path& where) const;

  /// git's output without the last line end; throws if it fails.
  std::string git(const std::filesystem::path& where, const std::vector<std::string>& arguments) const;
  /// A person's commit of one file, with whatever is staged besides; pushed if asked.
  void commit(const std::filesystem::path& where, const std::string& file, const std::string& text, bool push) const;

  /// `environment`: NAME=VALUE.
  [[nodiscard]] running_program start(const std::vector<std::string>& arguments,
                                      const std::vector<std::string>& environment = {}) const;
  [[nodiscard]] tool_result run(const std::vector<std::string>& arguments,
                                const std::vector<std::string>& environment = {}) const;
  [[nodiscard]] tool_result update(const std::string& job, const std::string& state,
                                   const std::vector<std::string>& more = {}) const;
  /// For run(): before the board's first `git <subcommand>`, somebody runs that shell script in the site's directory.
  [[nodiscard]] std::vector<std::string> meddle_before(const std::string& subcommand, const std::string& script) const;
  [[nodiscard]] tool_result sync() const { return run({"sync", checkout().string()}); }

  /// What the remote has of a job; null if nothing.
  [[nodiscard]] nlohmann::json published(const std::string& job) const;
  /// The messages ("message" in the file) of a job in the remote's history, oldest first.
  [[nodiscard]] std::vector<std::string> history(const std::string& job) const;
  /// "M  file" and so on, without what is not tracked.
  [[nodiscard]] std::string changes() const { return git(checkout(), {"status", "--porcelain", "-uno"}); }
  /// What a board never does: stashes, force, damage. Empty: all is well.
  [[nodiscard]] std::string judge() const;

 private:
  scratch_directory here_;
};

/// A process that takes the lock as an old script does, with `set -C`, until it is ended.
[[nodiscard]] running_program hold_as_script(const board_site& site, const std::string& shell = "dash");

}  // namespace testing
