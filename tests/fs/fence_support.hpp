#pragma once
/// Numbers for gates.

#include <lockkit/fence_gate.hpp>

namespace testing {

inline lockkit::fencing_token token(std::uint64_t value) {
  return {value};
}

/// By an object of its own.
inline bool is_admitted(const std::filesystem::path& path, std::uint64_t value) {
  lockkit::fence_gate gate(path);
  return gate.admit(token(value)).has_value();
}

}  // namespace testing
