#include "command_fetch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "exit_code.hpp"
#include "failure.hpp"
#include "foreground_command.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

namespace fs = std::filesystem;

/// A directory of its own: a program may write beside its file first, and rename.
class place_to_write {
 public:
  place_to_write()
      : directory_(lockkit::create_unique_directory(fs::temp_directory_path(), "lockkit-fetch-",
                                                    {.mode = fs::perms::owner_all})) {}
  ~place_to_write() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  place_to_write(const place_to_write&) = delete;
  place_to_write& operator=(const place_to_write&) = delete;
  [[nodiscard]] fs::path file() const { return directory_ / "content"; }

 private:
  fs::path directory_;
};

class opened_file {
 public:
  /// Not what a link leads to, nor a FIFO, which would be waited for.
  explicit opened_file(const fs::path& file)
      : number_(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {}
  ~opened_file() {
    if (number_ >= 0) ::close(number_);
  }
  opened_file(const opened_file&) = delete;
  opened_file& operator=(const opened_file&) = delete;

  /// False: there is no regular file.
  [[nodiscard]] bool measure(std::uint64_t& size) const {
    struct stat facts{};
    if (number_ < 0 || ::fstat(number_, &facts) != 0 || !S_ISREG(facts.st_mode)) return false;
    size = static_cast<std::uint64_t>(facts.st_size);
    return true;
  }
  void copy_to(lockkit::fetch_sink& sink) const {
    std::array<std::byte, 65536> buffer{};
    for (;;) {
      const ssize_t got = ::read(number_, buffer.data(), buffer.size());
      if (got == 0 || sink.cancelled()) return;
      if (got > 0) {
        sink.write(std::span(buffer.data(), static_cast<std::size_t>(got)));
      } else if (errno != EINTR) {
        throw failure(io_error,
                      fmt::format("cannot read what the command wrote: {}; nothing was cached", std::strerror(errno)));
      }
    }
  }

 private:
  int number_;
};

}  // namespace

void fetch_by_command(const std::vector<std::string>& command, lockkit::fetch_sink& sink) {
  const place_to_write place;
  const std::string file = place.file().native();
  std::vector<std::string> arguments = command;
  for (std::string& each : arguments) {
    if (each == "{}") each = file;
  }
  ::setenv("LOCKKIT_FILE", file.c_str(), 1);
  foreground_command runner;
  const int code = runner.run(arguments, STDERR_FILENO);  // our standard output is for the path
  if (code != done) {
    throw failure(static_cast<exit_code>(code),
                  fmt::format("{} failed with {}; nothing was cached", in_quotes(command.front()), code));
  }
  const opened_file written(file);
  std::uint64_t size = 0;
  if (!written.measure(size)) {
    throw failure(bad_data,
                  fmt::format("{} ended well, but left no file at the name in LOCKKIT_FILE; let it write there",
                              in_quotes(command.front())));
  }
  sink.expect_size(size);
  written.copy_to(sink);
}

}  // namespace lockkit_command
