#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

#include "command.hpp"
#include "fetching/fetch_arguments.hpp"
#include "fetching/policy.hpp"
#include "fetching/url.hpp"
#include "unpack.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

namespace fs = std::filesystem;

struct arguments {
  std::vector<std::string> names;
  fs::path to;
  fs::path unpack;  ///< empty: as the catalogue says
  std::uint64_t unpack_limit = std::uint64_t{50} << 30U;
  fetching::fetch_arguments fetch;
  fetching::mirror_arguments mirror;
  std::string wait;
  unsigned jobs = 4;
};

/// One data set on its way.
struct job {
  data_set what;
  std::optional<fs::path> destination;
  std::optional<fs::path> result;  ///< where it is, once it is there
  bool unmodified = false;         ///< the source was asked, and had nothing new
};

/// --to names a directory to put things into if it is one, ends in a slash, or several data sets are to go there. For an
/// archive to unpack, a directory that is there can be the one that it became before.
bool is_directory_wanted(const std::vector<job>& jobs, const arguments& given) {
  const bool becomes_one = jobs.size() == 1 && jobs.front().what.unpack;
  return jobs.size() > 1 || given.to.filename().empty() || (fs::is_directory(given.to) && !becomes_one);
}

/// What a data set is called in the directory that it goes into.
fs::path name_in_directory(const data_set& what) {
  if (!what.unpack) return file_name_of(what.url);
  return what.name.empty() ? without_archive_suffix(file_name_of(what.url)) : what.name;
}

/// --unpack DIR is --to DIR for one archive, whatever the catalogue says of it.
void place_unpacked(std::vector<job>& jobs, const arguments& given) {
  if (jobs.size() != 1 || !given.to.empty()) {
    throw failure(
        exit_status::usage,
        "--unpack takes one data set, and no --to; for several, say 'unpack: true' in a catalogue and use --to");
  }
  jobs.front().what.unpack = true;
  jobs.front().destination = given.unpack;
}

void place(std::vector<job>& jobs, const arguments& given) {
  if (!given.unpack.empty()) return place_unpacked(jobs, given);
  if (given.to.empty()) return;
  const bool directory = is_directory_wanted(jobs, given);
  if (directory && fs::exists(given.to) && !fs::is_directory(given.to)) {
    throw failure(exit_status::usage,
                  fmt::format("--to '{}' is not a directory; several data sets need one", given.to.native()));
  }
  for (job& each : jobs) each.destination = directory ? given.to / name_in_directory(each.what) : given.to;
  for (auto each = jobs.begin(); each != jobs.end(); ++each) {
    const auto same = [&](const job& other) { return other.destination == each->destination; };
    const auto twin = std::find_if(std::next(each), jobs.end(), same);
    if (twin == jobs.end()) continue;
    throw failure(exit_status::usage, fmt::format("{} and {} would both become '{}'; get them one by one, each with "
                                                  "its own --to",
                                                  each->what.label(), twin->what.label(), each->destination->native()));
  }
}

std::vector<job> plan(const arguments& given, const catalogue& known) {
  std::vector<job> jobs;
  for (const std::string& name : given.names) {
    const data_set what = known.resolve(name);
    const auto same = [&](const job& other) { return other.what.url == what.url; };
    const auto twin = std::ranges::find_if(jobs, same);
    if (twin == jobs.end()) {
      jobs.push_back({what, {}, {}});
    } else if (twin->what.sha256 != what.sha256 || twin->what.size != what.size) {
      throw failure(exit_status::bad_data,
                    fmt::format("{} and {} name one URL, {}, but not one content; correct the catalogue",
                                twin->what.label(), what.label(), what.url));
    }
  }
  if (!given.fetch.sha256.empty()) {
    if (jobs.size() != 1)
      throw failure(exit_status::usage, "--sha256 is for one data set; give the others' digests in a catalogue");
    std::optional<std::string>& digest = jobs.front().what.sha256;
    if (digest && *digest != given.fetch.sha256) {
      throw failure(exit_status::bad_data, fmt::format("{}: --sha256 is not the catalogue's {}; correct one of them",
                                                       jobs.front().what.label(), *digest));
    }
    digest = given.fetch.sha256;
  }
  place(jobs, given);
  return jobs;
}

/// Runs the jobs of one command, several at a time.
class getter {
 public:
  getter(const arguments& given, context& shared)
      : given_(given),
        shared_(shared),
        policy_(parse_policy(given.fetch.policy)),
        jobs_(plan(given, shared.load_catalogue())),
        cache_(shared.open_cache()) {}

  void run() {
    shared_.stop.watched();
    {
      std::vector<std::jthread> workers;
      for (std::size_t n = std::min<std::size_t>(given_.jobs, jobs_.size()); n > 0; --n) {
        workers.emplace_back([this] { work(); });
      }
    }
    for (const job& each : jobs_) {
      if (each.result) fmt::print("{}\n", each.result->native());
    }
  }

 private:
  void work() {
    for (std::size_t n = next_++; n < jobs_.size() && !shared_.stop.token().stop_requested(); n = next_++) {
      job& mine = jobs_[n];
      try {
        bring(mine);
      } catch (const std::exception& why) {
        shared_.out.finish(mine.what.label(), false);
        const std::lock_guard hold(mutex_);
        shared_.failed(mine.what.label(), why);
      }
    }
  }

  void bring(job& mine) {
    const auto fetch = [&](lockkit::fetch_sink& sink) {
      shared_.out.progress(mine.what.label(), {});
      const transfer_result how = transfer(mine.what.url, sink, transfer_settings(mine.what));
      mine.unmodified = how == transfer_result::not_modified;
    };
    const lockkit::request_options request = request_for(mine.what);
    if (!mine.destination) {
      const lockkit::cache_entry entry = cache_.get(mine.what.url, fetch, policy_, request);
      arrived(mine, entry, entry.path(), "in the cache");
      return;
    }
    if (mine.what.unpack) {
      const lockkit::cache_entry entry = cache_.get(mine.what.url, fetch, policy_, request);
      const unpack_result how =
          unpack(entry, *mine.destination, {given_.mirror.overwrite, given_.unpack_limit, shared_.stop.token()});
      arrived(mine, entry, *mine.destination, how == unpack_result::unpacked ? "unpacked" : "unpacked already");
      return;
    }
    const auto [entry, result] =
        cache_.fetch_and_mirror(mine.what.url, *mine.destination, fetch, policy_, given_.mirror.options(), request);
    arrived(mine, entry, *mine.destination, describe(result));
  }

  void arrived(job& mine, const lockkit::cache_entry& entry, const fs::path& path, std::string_view how) {
    mine.result = path;
    shared_.out.finish(mine.what.label(), entry.fetched_here() && !mine.unmodified);
    std::string age = entry.fetched_here() ? "" : fmt::format("; fetched {} ago", describe_age(entry.fetched_at()));
    if (entry.fetched_here() && mine.unmodified) age = "; not modified at its source";
    shared_.out.say(fmt::format("{}: {} ({}{})", mine.what.label(), path.native(), how, age));
    if (entry.stale_reason().empty()) return;
    shared_.out.say(fmt::format("{}: {}", mine.what.label(), describe_staleness(entry)));
  }

  lockkit::request_options request_for(const data_set& what) {
    lockkit::request_options request;
    if (!given_.wait.empty()) request.until = lockkit::deadline::after(parse_duration(given_.wait));
    request.stop = shared_.stop.token();
    request.sha256 = what.sha256;
    request.on_progress = [this, label = what.label()](const auto& now) { shared_.out.progress(label, now); };
    request.offline = given_.fetch.offline_mode();
    request.on_wait_progress = request.on_progress;
    request.on_wait = [this, label = what.label()](const std::string&, const lockkit::owner& holder) {
      shared_.out.say(fmt::format("{}: waiting for {}, which fetches it already", label, holder.describe()));
    };
    return request;
  }

  transfer_options transfer_settings(const data_set& what) {
    transfer_options options = given_.fetch.transfers();
    options.size = what.size;
    options.on_retry = [this, label = what.label()](const std::string& reason) {
      shared_.out.say(fmt::format("{}: {}; trying again", label, reason));
    };
    return options;
  }

  const arguments& given_;
  context& shared_;
  lockkit::fetch_policy policy_;
  std::vector<job> jobs_;
  lockkit::mirror_cache cache_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // guards shared_.result
};

}  // namespace

void add_get(CLI::App& app, context& shared) {
  CLI::App* command =
      app.add_subcommand("get", "Bring data sets into the cache and mirror them to where they are wanted");
  const auto given = std::make_shared<arguments>();
  command->add_option("NAME|URL", given->names, "Names of the catalogue, or https, http or file URLs")->required();
  command->add_option("--to", given->to,
                      "Mirror to this file, or into this directory (required to be one if several data sets are "
                      "named). Without it, the path in the cache is printed; it is read-only");
  command->add_option(
      "--unpack", given->unpack,
      "Unpack the archive (tar, tar.gz, tar.xz, tar.zst, tar.bz2, zip) and let it become this directory, "
      "in one step. With 'unpack: true' in the catalogue, --to does the same");
  command->add_option("--unpack-limit", given->unpack_limit, "Everything in an archive together, at the most [50GiB]")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("SIZE");
  declare(*command, given->fetch);
  declare(*command, given->mirror);
  command->add_option("--jobs", given->jobs, "Data sets brought at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      ->add_option("--wait", given->wait,
                   "Longest time for a data set, waiting and fetching, such as 5min; 0: do not wait for others")
      ->check(is_duration())
      ->type_name("DURATION");
  command->callback([given, &shared] { getter(*given, shared).run(); });
}

}  // namespace dataset_cache
