#include "obstacles.hpp"

#include <cerrno>

namespace lockkit::detail {

obstacle classify(const std::error_code& failure) noexcept {
  switch (failure.value()) {
    case EXDEV:
    case EOPNOTSUPP:
    case ENOTTY:
    case ENOSYS:
    case EINVAL:
    case EPERM:
    case EACCES:
    case EBADF:
      return obstacle::this_route;
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return obstacle::fatal;
    default:  // EAGAIN, EMLINK, ENOENT, ETXTBSY; what nobody foresaw is tried again, and a copy says what is wrong
      return obstacle::this_file;
  }
}

bool known_obstacles::contains(shortcut which, const mirror_route& route) const {
  const std::lock_guard hold(mutex_);
  return known_.contains({which, route});
}

void known_obstacles::add(shortcut which, const mirror_route& route) {
  const std::lock_guard hold(mutex_);
  known_.insert({which, route});
}

}  // namespace lockkit::detail
