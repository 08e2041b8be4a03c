#pragma once
/// lockkit cache: each of its subcommands adds itself to it.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <lockkit/mirror_cache.hpp>

#include "fetching/fetch_arguments.hpp"
#include "json_output.hpp"
#include "subcommand.hpp"

namespace lockkit_command {

/// What they share.
struct cache_context {
  std::string directory;
  invocation& call;
};
using shared_cache_context = std::shared_ptr<cache_context>;

/// For what fetches nothing: a cache that does not exist is not made, the path is more likely mistyped:
/// failure(bad_data).
[[nodiscard]] lockkit::mirror_cache open_existing_cache(const cache_context& context);

void add_cache_evict(CLI::App& cache, const shared_cache_context& context);
void add_cache_get(CLI::App& cache, const shared_cache_context& context);
void add_cache_list(CLI::App& cache, const shared_cache_context& context);
void add_cache_mirror(CLI::App& cache, const shared_cache_context& context);
void add_cache_remove(CLI::App& cache, const shared_cache_context& context);
void add_cache_stats(CLI::App& cache, const shared_cache_context& context);
void add_cache_verify(CLI::App& cache, const shared_cache_context& context);

/// What get and mirror have in common.
struct cache_request {
  std::string key;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  fetching::fetch_arguments fetch;
  std::vector<std::string> command;  ///< empty: the key is a URL
};
CLI::Option* add_request(CLI::App& app, cache_request& given);

/// One request's own view of the cache's calls.
struct cache_access {
  lockkit::fetch_function fetch;
  lockkit::fetch_policy policy;
  lockkit::request_options options;
};

/// Runs `ask` with a fetch by URL or by command, tells people on stderr how far it is, and turns what it throws, and
/// signals, into the exit code.
[[nodiscard]] int with_access(const cache_request& given,
                              const std::function<lockkit::cache_entry(const cache_access&)>& ask);

/// What `how --help` of both says about keys, commands and exit codes.
extern const char* const fetching_help;

}  // namespace lockkit_command
