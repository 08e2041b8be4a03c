#include <fmt/format.h>

#include <lockkit/lock_options.hpp>

namespace lockkit::inline v0 {
namespace {

std::string held_by(const owner& holder, std::chrono::nanoseconds waited, bool foreign) {
  const double seconds = std::chrono::duration<double>(waited).count();
  if (foreign && holder.pid == 0) {
    return fmt::format("waited {:.3f} s; what stands there is not lockkit's and does not say whose it is", seconds);
  }
  return fmt::format("waited {:.3f} s; held by {}{}", seconds, holder.describe(), foreign ? ", not by lockkit" : "");
}

}  // namespace

lock_timeout::lock_timeout(std::filesystem::path path, owner holder, std::chrono::nanoseconds waited, bool foreign)
    : error("lock", std::move(path), errc::lock_timeout, held_by(holder, waited, foreign)),
      holder_(std::move(holder)),
      foreign_(foreign) {}

lock_timeout::~lock_timeout() = default;

}  // namespace lockkit::inline v0
