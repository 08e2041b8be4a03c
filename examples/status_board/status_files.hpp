#pragma once
/// The directory data/status of a checkout, and nothing outside it.
///
///  1. It is opened beneath the checkout, and no symbolic link on the way is followed (openat2 with RESOLVE_BENEATH and
///     RESOLVE_NO_SYMLINKS; where the kernel or a filter has none, component by component with O_NOFOLLOW): whoever may
///     write into the checkout could otherwise make us write elsewhere, with our rights.
///  2. From then on only that descriptor and a job's file name are used: renaming a directory, or putting a link in its
///     place, changes nothing any more.
///  3. A file is read only if it is a regular one, without following or waiting (a FIFO), up to 64 KiB. It is replaced
///     as a whole by lockkit's publish: what stood there, also a link, is replaced by name and never written through.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tooling/descriptor.hpp"

namespace status_board {

inline constexpr std::string_view status_folder = "data/status/";
inline constexpr std::string_view file_ending = ".json";

/// "data/status/<job>.json", as git names it.
[[nodiscard]] std::string path_of_job(std::string_view job);
/// The job of such a path; nothing for any other path.
[[nodiscard]] std::optional<std::string> job_of_path(std::string_view path);

class status_files {
 public:
  enum class missing { make, leave };

  /// Throws failure if something else than directories stands there.
  explicit status_files(const std::filesystem::path& checkout, missing what);

  /// Nothing if there is no such file. Throws failure if it can't be a status.
  [[nodiscard]] std::optional<std::string> read(std::string_view job) const;
  /// Readers see the old content or the new; so does who comes after a power cut.
  void publish(std::string_view job, std::string_view text) const;
  /// Every job that has a file here which can be read, with its content.
  [[nodiscard]] std::map<std::string, std::string> read_all() const;
  /// Removes what killed publishers left.
  void sweep() const;

 private:
  [[nodiscard]] std::filesystem::path path() const;

  tooling::descriptor directory_;
};

}  // namespace status_board
