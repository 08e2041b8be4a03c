#pragma once
/// The options that say what is wanted of a pool: the same for a claim and for a task.

#include <CLI/CLI.hpp>
#include <string>

#include <lockkit/claim_store.hpp>

namespace lockkit_command {

/// -n, --min-memory, --group, --one-group, --match. The pool is the caller's to ask for.
void add_needs(CLI::App& app, lockkit::claim_request& request);

/// An option of type JSON: an object, in UTF-8.
CLI::Option* add_json_object(CLI::App& app, const std::string& names, std::string& value, const std::string& help);

}  // namespace lockkit_command
