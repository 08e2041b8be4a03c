#pragma once
/// The claims database of `lockkit claim` and `lockkit task`.

#include <filesystem>
#include <string>

#include <lockkit/claim_store.hpp>

namespace lockkit_command {

struct database_arguments {
  std::string path;
  std::string label;
};

enum class if_missing { make, refuse };

/// Its path is made absolute: a resident holder leaves this directory. A database that does not exist is made only
/// where something is put into it; elsewhere the path is more likely mistyped: failure(bad_data).
[[nodiscard]] lockkit::claim_store open_database(const database_arguments& given, if_missing what);

}  // namespace lockkit_command
