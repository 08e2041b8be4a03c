/// lockkit cache --cache DIR get KEY [-- COMMAND…]
#include <fmt/format.h>

#include "cache_command.hpp"
#include "exit_code.hpp"
#include "positionals.hpp"

namespace lockkit_command {
namespace {

int get(const cache_context& context, const cache_request& given) {
  lockkit::mirror_cache cache(context.directory);
  return with_access(given, [&](const cache_access& access) {
    lockkit::cache_entry entry = cache.get(given.key, access.fetch, access.policy, access.options);
    fmt::print("{}\n", entry.path().native());
    return entry;
  });
}

}  // namespace

void add_cache_get(CLI::App& cache, const shared_cache_context& context) {
  auto given = std::make_shared<cache_request>();
  CLI::App* sub = cache.add_subcommand("get", "Bring it into the cache if it is not there, and print its path");
  CLI::Option* const key = add_request(*sub, *given);
  sub->footer(std::string("The path is read-only, and valid until the key is removed, or refreshed and swept: use\n"
                          "'cache mirror' for what must stay. ") +
              fetching_help);
  sub->callback([context, given, key] {
    given->command = context->call.command;
    complete({{key, &given->key}}, given->command);
    context->call.exit_code = get(*context, *given);
  });
}

}  // namespace lockkit_command
