#pragma once
/// One file on its way to one target, with everything that publish_options say: what stands under staged_file,
/// publish_batch and publish_if_unchanged.

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <lockkit/staged_file.hpp>

#include "publish_target.hpp"
#include "staging.hpp"

namespace lockkit::detail {

/// The directory of `path`, with its missing parents if asked for; the link at its end followed if asked for.
[[nodiscard]] LOCKKIT_PRIVATE_API publish_target locate(const std::filesystem::path& path,
                                                        const publish_options& options, std::error_code& ec);

class LOCKKIT_PRIVATE_API publication {
 public:
  publication(std::filesystem::path path, const publish_options& options) : path_(std::move(path)), options_(options) {}

  /// Finds the target and makes the file.
  void open(std::error_code& ec);
  /// The same in a directory that somebody else holds open for at least as long.
  void open_in(int directory, std::string name, std::error_code& ec);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const publish_options& options() const noexcept { return options_; }
  [[nodiscard]] const publish_report& report() const noexcept { return report_; }
  [[nodiscard]] staging& file() noexcept { return file_; }
  [[nodiscard]] const staging& file() const noexcept { return file_; }
  [[nodiscard]] int directory() const noexcept { return directory_; }
  [[nodiscard]] const char* name() const noexcept { return target_.name.c_str(); }

  /// Does to the file what the options want done before it gets its place. Nothing is written to it afterwards.
  void complete(std::error_code& ec);
  /// complete and publish.
  publish_result commit(durability level, std::error_code& ec);
  void discard() noexcept;

 private:
  [[nodiscard]] unsigned creation_mode(std::error_code& ec) const noexcept;
  void dress(staging& file, std::error_code& ec) const noexcept;
  void take_over(staging& file, std::error_code& ec);
  void seal(std::error_code& ec);
  void copy_to_fresh_file(std::error_code& ec);

  std::filesystem::path path_;
  publish_options options_;
  publish_report report_;
  publish_target target_;
  int directory_ = -1;
  staging file_;  // works in the directory
};

}  // namespace lockkit::detail

/// The state of a staged_file; for publish_batch and commit_if_unchanged.
struct lockkit::staged_file::impl {
  impl(const std::filesystem::path& path, const publish_options& options) : work(path, options) {}
  detail::publication work;
};
