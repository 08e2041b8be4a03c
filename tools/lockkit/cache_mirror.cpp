/// lockkit cache --cache DIR mirror KEY FILE [-- COMMAND…]
#include "cache_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"
#include "options.hpp"
#include "positionals.hpp"

namespace lockkit_command {
namespace {

struct mirror_request {
  cache_request request;
  std::string destination;
  fetching::mirror_arguments how;
};

int mirror(const cache_context& context, const mirror_request& given) {
  lockkit::mirror_cache cache(context.directory);
  return with_access(given.request, [&](const cache_access& access) {
    auto [entry, result] = cache.fetch_and_mirror(given.request.key, given.destination, access.fetch, access.policy,
                                                  given.how.options(), access.options);
    const std::string age =
        entry.fetched_here() ? "" : fmt::format("; fetched {} ago", fetching::describe_age(entry.fetched_at()));
    say("{}: {}{}", in_quotes(given.destination), fetching::describe(result), age);
    return entry;
  });
}

}  // namespace

void add_cache_mirror(CLI::App& cache, const shared_cache_context& context) {
  auto given = std::make_shared<mirror_request>();
  CLI::App* sub = cache.add_subcommand("mirror", "Make a file hold what is cached, after fetching it if need be");
  CLI::Option* const key = add_request(*sub, given->request);
  CLI::Option* const file =
      add_path(*sub, "file", given->destination, "Made with its parents; one with other content stays: 73")
          ->type_name("FILE");
  fetching::declare(*sub, given->how);
  sub->footer(fetching_help);
  sub->callback([context, given, key, file] {
    given->request.command = context->call.command;
    complete({{key, &given->request.key}, {file, &given->destination}}, given->request.command);
    context->call.exit_code = mirror(*context, *given);
  });
}

}  // namespace lockkit_command
