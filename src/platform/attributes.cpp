#include "attributes.hpp"

#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

/// Asks for the size, then for as much; again if it has grown meanwhile.
template <class Call>
std::string sized_text(fault::call_name name, std::error_code& ec, Call&& call) {
  std::string text;
  do {
    const ssize_t wanted = invoke(name, ec, [&] { return call(nullptr, std::size_t{0}); });
    if (ec || wanted <= 0) return {};
    text.resize(static_cast<std::size_t>(wanted));
    const ssize_t size = invoke(name, ec, [&] { return call(text.data(), text.size()); });
    if (!ec) text.resize(static_cast<std::size_t>(size));
  } while (ec == std::errc::result_out_of_range);
  return ec ? std::string() : text;
}

}  // namespace

void change_owner(int fd, unsigned user, unsigned group, std::error_code& ec) noexcept {
  invoke("fchown", ec, [&] { return ::fchown(fd, user, group); });
}

std::vector<std::string> attribute_names(int fd, std::error_code& ec) {
  const std::string all =
      sized_text("flistxattr", ec, [&](char* into, std::size_t size) { return ::flistxattr(fd, into, size); });
  if (ec == std::errc::operation_not_supported) ec.clear();
  std::vector<std::string> names;
  for (std::size_t at = 0; at < all.size(); at += names.back().size() + 1) names.emplace_back(all.c_str() + at);
  return names;
}

std::string attribute(int fd, const char* name, std::error_code& ec) {
  return sized_text("fgetxattr", ec, [&](char* into, std::size_t size) { return ::fgetxattr(fd, name, into, size); });
}

void set_attribute(int fd, const char* name, const std::string& value, std::error_code& ec) noexcept {
  invoke("fsetxattr", ec, [&] { return ::fsetxattr(fd, name, value.data(), value.size(), 0); });
}

void remove_attribute(int fd, const char* name, std::error_code& ec) noexcept {
  invoke("fremovexattr", ec, [&] { return ::fremovexattr(fd, name); });
  if (ec.value() == ENODATA || ec == std::errc::operation_not_supported) ec.clear();
}

}  // namespace lockkit::platform
