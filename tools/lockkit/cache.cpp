/// lockkit cache --cache DIR …
#include <filesystem>

#include "cache_command.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "options.hpp"
#include "store_subcommands.hpp"

namespace lockkit_command {
namespace {

constexpr const char* about_cache =
    "What is fetched is kept by its SHA-256 under the key that it was asked for by, which is any text; URLs are good "
    "keys.\n"
    "However many ask at once, one fetches. The directory is made with mode 700.";

}  // namespace

lockkit::mirror_cache open_existing_cache(const cache_context& context) {
  std::error_code ec;
  if (std::filesystem::status(context.directory, ec).type() == std::filesystem::file_type::not_found) {
    throw failure(bad_data,
                  fmt::format("cannot open the cache {}: there is no such directory; 'cache get' makes it, or "
                              "correct the path",
                              in_quotes(context.directory)));
  }
  return lockkit::mirror_cache(context.directory);
}

void add_cache(CLI::App& sub, invocation& call) {
  const auto context = std::make_shared<cache_context>(cache_context{{}, call});
  sub.require_subcommand(1);
  sub.footer("");  // each of those below would have it, too
  add_path(sub, "--cache", context->directory, "The cache's directory (or LOCKKIT_CACHE)")
      ->type_name("DIR")
      ->envname("LOCKKIT_CACHE")
      ->required();
  add_cache_get(sub, context);
  add_cache_mirror(sub, context);
  add_cache_list(sub, context);
  add_cache_stats(sub, context);
  add_cache_verify(sub, context);
  add_cache_evict(sub, context);
  add_cache_remove(sub, context);
  sub.footer(about_cache);
  for (CLI::App* each : sub.get_subcommands({})) each->fallthrough();  // --cache may stand behind the name, too
}

}  // namespace lockkit_command
