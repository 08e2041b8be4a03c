#include "names.hpp"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "invoke.hpp"

namespace lockkit::platform {

void link_descriptor(int fd, int directory, const char* name, std::error_code& ec) noexcept {
  invoke("linkat", ec, [&] { return ::linkat(fd, "", directory, name, AT_EMPTY_PATH); });
  if (ec != std::errc::no_such_file_or_directory && ec != std::errc::invalid_argument) return;
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  invoke("linkat", ec, [&] { return ::linkat(AT_FDCWD, path.data(), directory, name, AT_SYMLINK_FOLLOW); });
}

void link_name(int from_directory, const char* from, int to_directory, const char* to, std::error_code& ec) noexcept {
  invoke("linkat", ec, [&] { return ::linkat(from_directory, from, to_directory, to, 0); });
}

void rename_replace(int directory, const char* from, const char* to, std::error_code& ec) noexcept {
  rename_replace(directory, from, directory, to, ec);
}

void rename_replace(int from_directory, const char* from, int to_directory, const char* to,
                    std::error_code& ec) noexcept {
  invoke("renameat", ec, [&] { return ::renameat(from_directory, from, to_directory, to); });
}

void rename_if_absent(int directory, const char* from, const char* to, std::error_code& ec) noexcept {
  rename_if_absent(directory, from, directory, to, ec);
}

void rename_if_absent(int from_directory, const char* from, int to_directory, const char* to,
                      std::error_code& ec) noexcept {
  invoke("renameat2", ec, [&] { return ::renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE); });
}

void rename_exchange(int directory, const char* one, const char* other, std::error_code& ec) noexcept {
  invoke("renameat2", ec, [&] { return ::renameat2(directory, one, directory, other, RENAME_EXCHANGE); });
}

void unlink_name(int directory, const char* name, std::error_code& ec) noexcept {
  invoke("unlinkat", ec, [&] { return ::unlinkat(directory, name, 0); });
}

std::string read_link(int directory, const char* name, std::error_code& ec) {
  std::string text(PATH_MAX, '\0');  // no link is longer
  const ssize_t size =
      invoke("readlinkat", ec, [&] { return ::readlinkat(directory, name, text.data(), text.size()); });
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

void make_symlink(const char* text, int directory, const char* name, std::error_code& ec) noexcept {
  invoke("symlinkat", ec, [&] { return ::symlinkat(text, directory, name); });
}

void make_directory(int directory, const char* name, unsigned mode, std::error_code& ec) noexcept {
  invoke("mkdirat", ec, [&] { return ::mkdirat(directory, name, mode); });
}

void remove_directory(int directory, const char* name, std::error_code& ec) noexcept {
  invoke("unlinkat", ec, [&] { return ::unlinkat(directory, name, AT_REMOVEDIR); });
}

}  // namespace lockkit::platform
