#include "database.hpp"

#include "failure.hpp"
#include "message.hpp"

namespace lockkit_command {

lockkit::claim_store open_database(const database_arguments& given, if_missing what) {
  std::error_code ec;
  const auto kind = std::filesystem::status(given.path, ec).type();
  if (what == if_missing::refuse && kind == std::filesystem::file_type::not_found) {
    throw failure(bad_data, fmt::format("cannot open {}: there is no such database; 'claim add' and 'task submit' make "
                                        "one, or correct the path",
                                        in_quotes(given.path)));
  }
  std::filesystem::path path = given.path;
  if (!path.empty()) path = std::filesystem::absolute(path);
  return lockkit::claim_store(path, {.label = given.label});
}

}  // namespace lockkit_command
