#pragma once
/// The one owner of file descriptors. Everything above it defaults its moves.

#include <utility>

#include "private_api.hpp"

namespace lockkit::platform {

class LOCKKIT_PRIVATE_API unique_fd {
 public:
  unique_fd() noexcept = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  ~unique_fd() { reset(); }
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    unique_fd(std::move(other)).swap(*this);  // the old descriptor closes with the temporary
    return *this;
  }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  void swap(unique_fd& other) noexcept { std::swap(fd_, other.fd_); }
  /// Gives the descriptor away.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// The same description under a number above 2, which is closed if it was below: a program that runs with stdin, stdout or
/// stderr closed would otherwise write its messages into our file. Takes -1 as it is. On failure -1, with errno.
[[nodiscard]] LOCKKIT_PRIVATE_API int above_standard_streams(int fd) noexcept;

}  // namespace lockkit::platform
