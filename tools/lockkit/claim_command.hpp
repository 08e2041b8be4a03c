#pragma once
/// lockkit claim: each of its subcommands adds itself to it.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include <lockkit/claim_store.hpp>

#include "database.hpp"
#include "json_output.hpp"
#include "subcommand.hpp"

namespace lockkit_command {

/// What they share.
struct claim_context {
  database_arguments database;
  invocation& call;
};
using shared_claim_context = std::shared_ptr<claim_context>;

void add_claim_acquire(CLI::App& claim, const shared_claim_context& context);
void add_claim_add(CLI::App& claim, const shared_claim_context& context);
void add_claim_drain(CLI::App& claim, const shared_claim_context& context);
void add_claim_events(CLI::App& claim, const shared_claim_context& context);
void add_claim_list(CLI::App& claim, const shared_claim_context& context);
void add_claim_release(CLI::App& claim, const shared_claim_context& context);
void add_claim_run(CLI::App& claim, const shared_claim_context& context);

/// "a,b": names and tokens in the order of the items. failure(bad_data) where a name itself has a comma.
[[nodiscard]] std::string joined_names(const std::vector<lockkit::claimed_item>& items);
[[nodiscard]] std::string joined_tokens(const std::vector<lockkit::claimed_item>& items);
/// [{"name", "group", "token"}]
[[nodiscard]] json items_json(const std::vector<lockkit::claimed_item>& items);

}  // namespace lockkit_command
