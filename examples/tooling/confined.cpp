// Rules, each with its reason.
//  1. Each name is opened relative to the directory before it, which is held open: nobody can exchange what was looked at.
//  2. The kernel refuses links and ways out (openat2, RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS). Where it has no openat2,
//     each name is opened alone with O_NOFOLLOW, and only plain names are taken: the same for a single component.
//  3. Made first, opened then: who was there before us is found by opening, under the same rules.
#include "tooling/confined.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "tooling/failure.hpp"
#include "tooling/words.hpp"

namespace tooling {
namespace {

constexpr int opening = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

[[noreturn]] void refuse(const std::filesystem::path& root, const std::filesystem::path& inside,
                         const std::string& reason) {
  throw failure(exit_status::cannot_create,
                fmt::format("'{}' is no directory inside '{}': {}", visible(inside.native()), root.native(), reason));
}

/// What is planted there stays. The rest (a full disk) may pass.
[[noreturn]] void refuse_for(int error, const std::filesystem::path& root, const std::filesystem::path& inside) {
  if (error == ELOOP || error == ENOTDIR) {
    refuse(root, inside, "a link, or something else that is no directory, stands there");
  }
  if (error == EXDEV) refuse(root, inside, "it leads out of there");
  throw std::system_error(error, std::system_category(),
                          fmt::format("cannot make '{}' inside '{}'", visible(inside.native()), root.native()));
}

}  // namespace

int open_component(int parent, const char* name) noexcept {
  open_how how{};
  how.flags = opening;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto opened = static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how));
  if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return opened;  // seccomp says EPERM
  return ::openat(parent, name, opening);
}

confined_directory confined_directory::make(const std::filesystem::path& root, const std::filesystem::path& inside) {
  descriptor at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at) refuse_for(errno, root, inside);
  for (const std::filesystem::path& name : inside) {
    const bool plain = !name.empty() && name != "." && name != ".." && name.native().find('/') == std::string::npos;
    if (!plain) refuse(root, inside, "it is not made of plain names");
    if (::mkdirat(at.get(), name.c_str(), 0777) != 0 && errno != EEXIST) refuse_for(errno, root, inside);
    descriptor next(open_component(at.get(), name.c_str()));
    if (!next) refuse_for(errno, root, inside);
    at = std::move(next);
  }
  return confined_directory(std::move(at));
}

std::filesystem::path confined_directory::path() const {
  return fmt::format("/proc/self/fd/{}", directory_.get());
}

}  // namespace tooling
