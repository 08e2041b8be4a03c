#include <fmt/format.h>

#include <lockkit/lock_options.hpp>

namespace lockkit::inline v0 {
namespace {

std::string held_by(const owner& holder, std::chrono::nanoseconds waited) {
  return fmt::format("waited {:.3f} s; held by {}", std::chrono::duration<double>(waited).count(), holder.describe());
}

}  // namespace

lock_timeout::lock_timeout(std::filesystem::path path, owner holder, std::chrono::nanoseconds waited)
    : error("lock", std::move(path), errc::lock_timeout, held_by(holder, waited)), holder_(std::move(holder)) {}

lock_timeout::~lock_timeout() = default;

}  // namespace lockkit::inline v0
