#pragma once
/// The tables, made once however many processes open a new database at the same time, and the settings of a connection.

#include <functional>
#include <string>

#include "sqlite.hpp"

namespace lockkit::detail {

/// What an opening process finds around it. What is not as it was ends the claims that rested on it.
struct surroundings {
  std::string boot_id;
  std::string clock;     ///< the time namespace
  std::string database;  ///< which inode the database's file is
  std::string marks;     ///< and which one the file with the life marks
};

/// Refuses what is not ours and changes nothing. errc::not_our_database, errc::newer_schema.
void check_version(connection& db);

/// Sets and reads back every setting: one that did not take is an error, since a misspelt pragma is silent. With the gate
/// held, after check_version(): a journal mode stays in somebody else's file.
LOCKKIT_PRIVATE_API void configure(connection& db);

enum class sync_mode {
  normal,  ///< a power cut may take the latest commits back
  full,    ///< each commit is on the disk before it is reported
};
void synchronize(connection& db, sync_mode mode);

/// Makes the tables, and begins a new epoch if the surroundings are not those that were: tokens then continue above
/// everything that a lost commit may have given out. With the gate held. errc::foreign_clock, errc::database_replaced.
void prepare_schema(connection& db, const surroundings& now, const std::function<bool()>& somebody_lives);

}  // namespace lockkit::detail
