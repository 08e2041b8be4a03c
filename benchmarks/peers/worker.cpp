/// worker PLACE: does lockkit's part, and that of the naked system calls and of cp, in a comparison with other makers'
/// libraries. Reads lines "OPERATION SIZE TIMES" and answers with how long each time took, in nanoseconds, on one line.
/// What an operation needs is made before its first time and not timed. worker.py and worker.js do the same with the
/// others' libraries; peers.py asks them all in turn.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <lockkit/lockkit.hpp>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../content.hpp"
#include "../naked.hpp"

namespace {

namespace fs = std::filesystem;
using lockkit::durability;
using lockkit::mirror_link;
using steady = std::chrono::steady_clock;

constexpr std::size_t batch_files = 100;

struct operation {
  std::function<void()> run;
  std::function<void()> prepare{};  ///< before each time, not timed
};

void run_program(std::vector<std::string> words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child = -1;
  if (::posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) {
    throw std::runtime_error("cannot start " + words[0]);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error(words[0] + " failed");
}

/// Publishing: 4 KiB or so, over what stands there.
class publishing {
 public:
  publishing(const fs::path& place, std::size_t size) : place_(place), content_(size, std::byte{'x'}) {}

  [[nodiscard]] operation naked(bool sync_file, bool sync_directory) const {
    return {[=, content = content_, to = place_ / "naked"] {
      benchmark::naked_publish{to, sync_file, sync_directory}(content);
    }};
  }
  [[nodiscard]] operation ours(durability level) const {
    return {[=, content = content_, to = place_ / "ours"] { lockkit::publish(to, content, level); }};
  }
  [[nodiscard]] operation one_by_one() const {
    return {[content = content_, place = place_] {
      for (std::size_t n = 0; n < batch_files; ++n) {
        lockkit::publish(place / ("single" + std::to_string(n)), content, durability::durable);
      }
    }};
  }
  [[nodiscard]] operation naked_one_by_one() const {
    return {[content = content_, place = place_] {
      for (std::size_t n = 0; n < batch_files; ++n) {
        benchmark::naked_publish{place / ("naked" + std::to_string(n)), true, true}(content);
      }
    }};
  }
  [[nodiscard]] operation batch() const {
    return {[content = content_, place = place_] {
      lockkit::publish_batch files;
      for (std::size_t n = 0; n < batch_files; ++n) files.add(place / ("batch" + std::to_string(n)), content);
      files.commit(durability::durable);
    }};
  }

 private:
  fs::path place_;
  std::vector<std::byte> content_;
};

/// The cache: hits, and mirrors to a name where nothing stands.
class caching {
 public:
  caching(const fs::path& place, std::uint64_t size)
      : place_(place), size_(size), cache_(std::make_shared<lockkit::mirror_cache>(place / "cache")) {}

  [[nodiscard]] operation floor() const {
    return {[content = get().path().native()] { benchmark::open_look_close(content.c_str()); }};
  }
  [[nodiscard]] operation hit() const {
    static_cast<void>(get());
    return {[*this] { static_cast<void>(get()); }};
  }
  [[nodiscard]] operation checked_hit() const {
    auto checking = *this;
    checking.cache_ = std::make_shared<lockkit::mirror_cache>(
        place_ / "cache", lockkit::cache_options{.check = lockkit::hit_check::content});
    return checking.hit();
  }
  [[nodiscard]] operation mirror(mirror_link link) const {
    return to_nothing("mirror", [entry = get(), cache = cache_, link](const fs::path& to) {
      cache->mirror(entry, to, {.link = link, .level = durability::visible});
    });
  }
  [[nodiscard]] operation naked_copy() const {
    return to_nothing("naked", [from = get().path()](const fs::path& to) { benchmark::naked_copy(from, to); });
  }
  [[nodiscard]] operation cp(const std::string& how) const {
    return to_nothing("cp", [from = get().path(), how](const fs::path& to) { run_program({"cp", how, from, to}); });
  }

 private:
  [[nodiscard]] lockkit::cache_entry get() const {
    return cache_->get(std::to_string(size_), [this](lockkit::fetch_sink& sink) { benchmark::bring(sink, size_); });
  }
  [[nodiscard]] operation to_nothing(const char* name, std::function<void(const fs::path&)> make) const {
    const fs::path to = place_ / name;
    return {[to, make = std::move(make)] { make(to); }, [to] { fs::remove(to); }};
  }

  fs::path place_;
  std::uint64_t size_;
  std::shared_ptr<lockkit::mirror_cache> cache_;
};

operation publishing_operation(const publishing& with, const std::string& name) {
  if (name == "naked-visible") return with.naked(false, false);
  if (name == "naked-consistent") return with.naked(true, false);
  if (name == "naked-durable") return with.naked(true, true);
  if (name == "publish-visible") return with.ours(durability::visible);
  if (name == "publish-consistent") return with.ours(durability::consistent);
  if (name == "publish-durable") return with.ours(durability::durable);
  if (name == "publish-durable-path") return with.ours(durability::durable_path);
  if (name == "naked-one-by-one") return with.naked_one_by_one();
  if (name == "publish-one-by-one") return with.one_by_one();
  if (name == "publish-batch") return with.batch();
  return {};
}

operation caching_operation(const caching& with, const std::string& name) {
  if (name == "open-look-close") return with.floor();
  if (name == "hit") return with.hit();
  if (name == "hit-checked") return with.checked_hit();
  if (name == "mirror") return with.mirror(mirror_link::isolated);
  if (name == "mirror-link") return with.mirror(mirror_link::hard_link);
  if (name == "naked-copy") return with.naked_copy();
  if (name == "cp") return with.cp("--reflink=never");
  if (name == "cp-reflink") return with.cp("--reflink=always");
  return {};
}

operation make_operation(const fs::path& place, const std::string& name, std::uint64_t size) {
  operation found = publishing_operation(publishing(place, size), name);
  if (!found.run) found = caching_operation(caching(place, size), name);
  if (!found.run) throw std::runtime_error("no such operation: " + name);
  return found;
}

void obey(operation& what, std::size_t times) {
  for (; times > 0; --times) {
    if (what.prepare) what.prepare();
    const auto began = steady::now();
    what.run();
    std::cout << (steady::now() - began).count() << ' ';
  }
  std::cout << std::endl;
}

void obey_lines(const fs::path& place) {
  std::map<std::pair<std::string, std::uint64_t>, operation> known;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t size = 0;
    std::size_t times = 0;
    words >> name >> size >> times;
    const auto key = std::pair(name, size);
    if (!known.contains(key)) known.emplace(key, make_operation(place, name, size));
    obey(known.at(key), times);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: worker PLACE");
  obey_lines(argv[1]);
  return 0;
} catch (const std::exception& failure) {
  std::cerr << "worker: " << failure.what() << '\n';
  return 1;
}
