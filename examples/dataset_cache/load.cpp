// dataset_cache_load: one of the processes of the demo. Its threads ask for data sets under both policies, again and
// again, and write down what they asked, when, and what they got. scripts/demo.d/1-dataset-cache starts several, lets a
// web server log every fetch, and compares both sides.
//
// Each fetch carries an id in its URL, "policy.data set.edition.process.thread.number", so that the server's log shows
// who fetched and when. An edition makes a new cache key of the same URL: each is missing once.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include <lockkit/mirror_cache.hpp>

#include "fetching/stop_on_signal.hpp"
#include "fetching/transfer.hpp"

namespace {

namespace fs = std::filesystem;
using wall_clock = std::chrono::system_clock;

struct arguments {
  fs::path cache;
  fs::path out;
  std::string server;
  std::vector<std::string> if_missing;
  std::vector<std::string> always;
  std::vector<std::string> editions;  ///< if_missing too, but every round asks for another edition
  unsigned process = 0;
  unsigned threads = 4;
  unsigned rounds = 20;  ///< 0: until a signal comes
  double begin_at = 0;   ///< seconds since 1970, so that all processes begin together
};

struct request {
  std::string data_set;
  std::string policy;
  unsigned edition = 0;
};

long long nanoseconds(wall_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

/// One thread of the load.
class asker {
 public:
  asker(const arguments& given, unsigned number, std::stop_token stop)
      : given_(given),
        name_(fmt::format("{}.{}", given.process, number)),
        stop_(std::move(stop)),
        cache_(given.cache),
        log_(given.out / ("requests." + name_)),
        order_(given.process * 1000 + number) {
    how_.link = number % 2 == 0 ? lockkit::mirror_link::isolated : lockkit::mirror_link::hard_link;
  }

  void run() {
    for (unsigned round = 0; (given_.rounds == 0 || round < given_.rounds) && !stop_.stop_requested(); ++round) {
      std::vector<request> requests = requests_of(round);
      std::shuffle(requests.begin(), requests.end(), order_);
      for (const request& each : requests) ask(each, round);
    }
  }

 private:
  std::vector<request> requests_of(unsigned round) const {
    std::vector<request> result;
    result.reserve(given_.if_missing.size() + given_.always.size() + given_.editions.size());
    for (const std::string& name : given_.if_missing) result.push_back({name, "if-missing", 0});
    for (const std::string& name : given_.always) result.push_back({name, "always", 0});
    for (const std::string& name : given_.editions) result.push_back({name, "if-missing", round});
    return result;
  }

  /// A new file for every answer that may be another one; where it can't be, the mirror stands from the second round
  /// on.
  fs::path mirror_of(const request& what, unsigned round) const {
    const unsigned number = what.policy == "always" && given_.rounds != 0 ? round : what.edition;
    return given_.out / ("mirrors." + name_) / fmt::format("{}.{}.{}", what.data_set, what.policy, number);
  }

  void ask(const request& what, unsigned round) {
    const auto policy = what.policy == "always" ? lockkit::fetch_policy::always() : lockkit::fetch_policy::if_missing();
    const std::string url = given_.server + "/" + what.data_set;
    const std::string id = fmt::format("{}.{}.{}.{}.{}", what.policy, what.data_set, what.edition, name_, ++fetches_);
    const auto fetch = [&](lockkit::fetch_sink& sink) { fetching::transfer(url + "?fetch=" + id, sink, {}); };
    const fs::path mirror = mirror_of(what, round);
    lockkit::request_options request;
    request.stop = stop_;
    const auto begin = wall_clock::now();
    try {
      const auto got =
          cache_.fetch_and_mirror(fmt::format("{}#{}", url, what.edition), mirror, fetch, policy, how_, request);
      write_down(what, begin, mirror, got.entry.fetched_here() ? id : "-", nanoseconds(got.entry.fetched_at()), "");
    } catch (const std::exception& failed) {
      if (!stop_.stop_requested()) write_down(what, begin, mirror, "-", 0, failed.what());
    }
  }

  void write_down(const request& what, wall_clock::time_point begin, const fs::path& mirror, std::string_view id,
                  long long fetched_at, std::string_view error) {
    const auto took = std::chrono::duration<double, std::milli>(wall_clock::now() - begin);
    log_ << fmt::format("{}\t{}\t{}\t{}\t{:.3f}\t{}\t{}\t{}\t{}\n", what.data_set, what.policy, what.edition,
                        nanoseconds(begin), took.count(), mirror.native(), id, fetched_at, error)
         << std::flush;
  }

  const arguments& given_;
  std::string name_;
  std::stop_token stop_;
  lockkit::mirror_cache cache_;
  std::ofstream log_;
  std::mt19937 order_;
  lockkit::mirror_options how_;
  unsigned fetches_ = 0;
};

void declare(CLI::App& app, arguments& given) {
  app.add_option("--cache", given.cache)->required();
  app.add_option("--out", given.out, "Directory for mirrors and records of requests")->required();
  app.add_option("--server", given.server, "URL in front of the data sets' names")->required();
  app.add_option("--if-missing", given.if_missing, "Data sets asked for under this policy");
  app.add_option("--always", given.always, "Data sets asked for under this policy");
  app.add_option("--editions", given.editions, "Data sets asked for under if-missing, each round as a new one");
  app.add_option("--process", given.process, "Number of this process, for names");
  app.add_option("--threads", given.threads);
  app.add_option("--rounds", given.rounds, "0: until SIGTERM");
  app.add_option("--begin-at", given.begin_at, "Seconds since 1970");
}

void run(const arguments& given, const std::stop_token& stop) {
  std::this_thread::sleep_until(wall_clock::time_point(
      std::chrono::duration_cast<wall_clock::duration>(std::chrono::duration<double>(given.begin_at))));
  std::vector<std::jthread> threads;
  threads.reserve(given.threads);
  for (unsigned n = 0; n < given.threads; ++n) {
    threads.emplace_back([&given, n, stop] { asker(given, n, stop).run(); });
  }
}

int parse_and_run(int argc, char** argv) {
  fetching::stop_on_signal stop;
  const fetching::transfer_library transfers;
  arguments given;
  CLI::App app("Asks for data sets from several threads and writes down what it got");
  declare(app, given);
  CLI11_PARSE(app, argc, argv);
  stop.watched();
  run(given, stop.token());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "dataset_cache_load: %s\n", failed.what());
    return 1;
  }
}
