// dataset_cache: data sets, fetched once for all processes of this machine and mirrored to where they are wanted.
// All mechanism is lockkit's; here are arguments, the catalogue, transfers and messages.

#include <fmt/format.h>

#include <cstdio>

#include "command.hpp"
#include "fetching/transfer.hpp"
#include "tooling/run_app.hpp"

namespace {

using namespace dataset_cache;
using namespace fetching;

constexpr const char* exit_codes = R"(
Exit status
  0   done
  64  wrong arguments
  65  bad data: a wrong catalogue, content without the promised size or digest, damage found by verify
  66  no such name, URL, file or cached data set
  69  the server can't be reached, or keeps failing
  70  an error nobody foresaw
  73  the destination holds something else, or can't be made
  74  reading or writing failed
  75  waited for another's fetch as long as --wait allows; another evict is at work
  77  no permission
  130, 143  ended by Ctrl-C or SIGTERM; nothing is left half done
With several data sets it is the status of the first that failed.)";

void declare(CLI::App& app, context& shared) {
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_codes);
  app.add_option("--cache", shared.cache_directory,
                 "The cache's directory; default: lockkit/datasets in XDG_CACHE_HOME or ~/.cache")
      ->envname("DATASET_CACHE_DIR");
  app.add_option("--catalogue", shared.catalogue_file, "YAML file that gives data sets names")
      ->envname("DATASET_CACHE_CATALOGUE");
  for (const auto add : {&add_get, &add_list, &add_stats, &add_verify, &add_evict, &add_remove}) add(app, shared);
}

int run(CLI::App& app, context& shared, int argc, char** argv) {
  const auto refused = tooling::run_app(app, argc, argv, [&](const auto& why) { shared.failed("dataset_cache", why); });
  return refused ? *refused : static_cast<int>(shared.result);
}

int run_until_signal(int argc, char** argv) {
  stop_on_signal stop;  // first: the threads that follow inherit the blocked signals
  console out;
  const transfer_library transfers;
  context shared{{}, {}, stop, out};
  CLI::App app("Data sets, fetched once for all processes of this machine and mirrored to where they are wanted",
               "dataset_cache");
  declare(app, shared);
  const int status = run(app, shared, argc, argv);
  if (stop.signal() == 0 || status == EX_OK) return status;
  out.say("stopped; nothing is left half done");
  return 128 + stop.signal();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_until_signal(argc, argv);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "dataset_cache: %s\n", why.what());
    return EX_SOFTWARE;
  }
}
