#pragma once
/// The git program, called without a shell.
///
///  1. Arguments are a list; names stand after `--`, inside an argument that begins otherwise, or in standard input with
///     NUL between them; pathspecs are literal. Nothing that comes from outside is ever read as an option, a pattern or
///     a command.
///  2. No variable GIT_* of ours reaches it (GIT_DIR would lead it into another repository), messages are in English
///     (they are read here), it asks nobody for a password, and no hook of the repository is run.
///  3. It lives in a session of its own: a kill of our process group lets it end by itself, within milliseconds, so
///     that it leaves none of its lock files. What takes longer than allowed is killed with its children.

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace status_board {

struct git_answer {
  int status = -1;  ///< exit status; 128 + signal
  std::string out;
  std::string err;
  [[nodiscard]] bool ok() const noexcept { return status == 0; }
  /// What it complained of, on one line, for people.
  [[nodiscard]] std::string complaint() const;
};

/// Rule 2. Once, before anything else: it changes this process's own environment.
void clean_environment(const std::filesystem::path& ceiling);

class git {
 public:
  explicit git(std::filesystem::path checkout) : checkout_(std::move(checkout)) {}

  struct call {
    std::vector<std::string> arguments;
    std::string_view input{};
    std::map<std::string, std::string> environment{};
    std::chrono::milliseconds timeout = std::chrono::minutes(2);
  };
  /// Throws failure if it can't be run, or did not end in time.
  [[nodiscard]] git_answer run(const call& what) const;
  /// Its output without the last line's end. Throws failure if it did not succeed.
  [[nodiscard]] std::string text(const call& what) const;

 private:
  std::filesystem::path checkout_;
};

/// Parts of an output of option -z.
[[nodiscard]] std::vector<std::string> split_at_nul(std::string_view output);

}  // namespace status_board
