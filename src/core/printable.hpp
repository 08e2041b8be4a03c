#pragma once
/// Text of others in our messages.

#include <string>
#include <string_view>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// Control characters as \\xNN: a label or a file name must not be able to steer somebody's terminal or to cut a message
/// short.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string printable(std::string_view text);

}  // namespace lockkit::detail
