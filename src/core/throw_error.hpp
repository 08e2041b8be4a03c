#pragma once
/// From the error_code form of a function to its throwing form.

#include <filesystem>
#include <string>
#include <system_error>

#include "platform/private_api.hpp"

namespace lockkit::detail {

[[noreturn]] LOCKKIT_PRIVATE_API void throw_error(const char* operation, const std::filesystem::path& path,
                                                  const std::error_code& ec, std::string more = {});

/// Runs `call(ec)`, throws lockkit::error if it leaves a code.
template <class Call>
auto throwing(const char* operation, const std::filesystem::path& path, Call&& call) {
  std::error_code ec;
  if constexpr (std::is_void_v<decltype(call(ec))>) {
    call(ec);
    if (ec) throw_error(operation, path, ec);
  } else {
    auto result = call(ec);
    if (ec) throw_error(operation, path, ec);
    return result;
  }
}

}  // namespace lockkit::detail
