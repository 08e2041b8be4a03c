#pragma once
/// The tables, made once however many processes open a new database at the same time, and the settings of a connection.

#include "sqlite.hpp"

namespace lockkit::detail {

/// Refuses what is not ours, then sets and reads back every setting: a setting that did not take is an error, since a
/// misspelt pragma is silent. Called with the gate held. errc::not_our_database, errc::newer_schema.
void configure(connection& db, bool durable);

/// Makes the tables and begins a new epoch if the machine was started since: tokens then continue above
/// everything that a lost commit may have given out, and claims of the earlier boot end. Called with the gate held.

void prepare_schema(connection& db, const std::string& boot_id);

}  // namespace lockkit::detail
