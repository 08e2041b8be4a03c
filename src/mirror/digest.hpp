#pragma once
/// SHA-256, by OpenSSL. The method is looked up once per process: OpenSSL 3 takes longer for that than for hashing.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "platform/private_api.hpp"

namespace lockkit::detail {

inline constexpr std::size_t digest_digits = 64;

/// Looks the method up, so that no later call has to. Throws lockkit::error where OpenSSL does not offer it.
void prepare_digests();

/// One running digest. Used by one thread at a time.
class sha256_stream {
 public:
  sha256_stream();
  void update(std::span<const std::byte> bytes);
  /// Starts again from nothing.
  void reset();
  /// 64 lowercase hexadecimal digits; afterwards only reset() is possible.
  [[nodiscard]] std::string finish();

 private:
  struct release {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, release> context_;
};

[[nodiscard]] LOCKKIT_PRIVATE_API std::string sha256_of(std::string_view text);
/// Of everything that can be read from `fd` from its beginning; `size` receives how much that was.
[[nodiscard]] std::string sha256_of_file(int fd, std::uint64_t& size, std::error_code& ec);
/// 64 lowercase hexadecimal digits.
[[nodiscard]] bool is_digest(std::string_view text) noexcept;

}  // namespace lockkit::detail
