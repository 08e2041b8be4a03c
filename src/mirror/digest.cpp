#include "digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

constexpr std::size_t read_chunk = std::size_t{256} << 10U;

void require(bool worked) {
  if (!worked) throw error("compute", "SHA-256", std::make_error_code(std::errc::not_supported), "OpenSSL refused");
}

const EVP_MD* method() {
  static const EVP_MD* const fetched = [] {
    const EVP_MD* found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    require(found != nullptr);
    return found;
  }();
  return fetched;
}

std::string hexadecimal(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

EVP_MD_CTX* native(void* context) noexcept {
  return static_cast<EVP_MD_CTX*>(context);
}

}  // namespace

void prepare_digests() {
  method();
}

void sha256_stream::release::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(native(context));
}

sha256_stream::sha256_stream() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr);
  reset();
}

void sha256_stream::reset() {
  require(EVP_DigestInit_ex2(native(context_.get()), method(), nullptr) == 1);
}

void sha256_stream::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(native(context_.get()), bytes.data(), bytes.size()) == 1);
}

std::string sha256_stream::finish() {
  std::array<unsigned char, digest_digits / 2> value{};
  require(EVP_DigestFinal_ex(native(context_.get()), value.data(), nullptr) == 1);
  return hexadecimal(value);
}

std::string sha256_of(std::string_view text) {
  std::array<unsigned char, digest_digits / 2> value{};
  require(EVP_Digest(text.data(), text.size(), value.data(), nullptr, method(), nullptr) == 1);
  return hexadecimal(value);
}

std::string sha256_of_file(int fd, std::uint64_t& size, std::error_code& ec) {
  sha256_stream digest;
  std::vector<std::byte> chunk(read_chunk);
  size = 0;
  for (;;) {
    const std::size_t n = platform::pread_some(fd, chunk, size, ec);
    if (ec || n == 0) return ec ? std::string() : digest.finish();
    digest.update(std::span(chunk).first(n));
    size += n;
  }
}

bool is_digest(std::string_view text) noexcept {
  return text.size() == digest_digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace lockkit::detail
