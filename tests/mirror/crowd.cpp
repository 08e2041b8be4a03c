#include "mirror/crowd.hpp"

#include <functional>
#include <memory>
#include <random>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>
#include <lockkit/publish_batch.hpp>
#include <lockkit/publish_directory.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/crowd_content.hpp"
#include "support/scratch.hpp"

namespace testing {
namespace {

namespace fs = std::filesystem;
using namespace lockkit;

constexpr unsigned files_of_tree = 5;

fs::path target_of(const fs::path& place, unsigned number) {
  return place / "targets" / ("target" + std::to_string(number));
}
fs::path tree_of(const fs::path& place) {
  return place / "targets" / "tree";
}
fs::path mirror_of(const fs::path& place, unsigned number) {
  return place / "mirrors" / ("mirror" + std::to_string(number));
}

[[noreturn]] void complain(const std::string& what) {
  throw std::runtime_error(what);
}

described require_whole(const std::string& text, const std::string& where) {
  described found = describe(text);
  if (!found.whole) complain(where + " is no whole content: '" + text.substr(0, 60) + "'...");
  return found;
}

void fill_tree(const fs::path& staged, long long number) {
  for (unsigned n = 0; n < files_of_tree; ++n) {
    const fs::path file = staged / ("d" + std::to_string(n)) / "f";
    fs::create_directory(file.parent_path());
    write_file(file, self_describing("tree", number, 20 * (n + 1)));
  }
}

/// All files of a snapshot must be of one version.
void require_one_version(const fs::path& tree) {
  const directory_snapshot version(tree);
  long long number = -1;
  for (unsigned n = 0; n < files_of_tree; ++n) {
    const described found = require_whole(version.read(fs::path("d" + std::to_string(n)) / "f"), "the tree's file");
    if (number >= 0 && found.number != number) complain("a snapshot mixes two versions");
    number = found.number;
  }
}

}  // namespace

struct crowd_member::impl {
  impl(const fs::path& where, crowd_books& shared, unsigned n, unsigned seed)
      : place(where), books(shared), number(n), random(seed), cache(where / "cache", {.level = durability::visible}) {}

  unsigned any(unsigned limit) { return static_cast<unsigned>(random() % limit); }
  crowd_books::worker_book& own() { return books.workers[number]; }

  void publish_files() {
    const long long version = now_ns();
    const auto text = [&] { return self_describing("target", version, 1 + any(800)); };
    const auto level = any(8) == 0 ? durability::durable : durability::visible;
    if (any(2) == 0) {
      publish(target_of(place, any(crowd_targets)), text(), level);
    } else {
      publish_batch files;
      for (unsigned n = 0; n < crowd_targets; ++n) files.add(target_of(place, n), text());
      files.commit(level);
    }
    ++books.published;
  }

  void publish_tree() {
    publish_directory(tree_of(place), [](const fs::path& staged) { fill_tree(staged, now_ns()); }, durability::visible);
    ++books.published;
  }

  void read_everything() {
    for (unsigned n = 0; n < crowd_targets; ++n) require_whole(read_file(target_of(place, n)), "a target");
    require_one_version(tree_of(place));
    for (unsigned n = 0; n < crowd_keys; ++n) require_whole(read_file(mirror_of(place, n)), "a mirror");
    ++books.read;
  }

  void sweep() {
    books.swept += static_cast<long>(sweep_leftovers(place / "targets").size());
    books.swept += static_cast<long>(sweep_leftovers(place / "mirrors").size());
    if (any(8) != 0) return;
    for (const cache_damage& damage : cache.verify(true)) {
      complain("the cache is damaged: '" + damage.key + "': " + damage.error.message());
    }
  }

  void evict() {
    const auto gone = cache.evict({.max_bytes = any(60'000), .grace = std::chrono::nanoseconds::zero()});
    for (const cache_record& key : gone.evicted) {
      unsigned epoch = 0;
      unsigned which = 0;
      if (std::sscanf(key.key.c_str(), "data/%u/%u", &epoch, &which) == 2) ++books.keys[epoch][which].excused;
      ++books.evicted;
    }
  }

  /// A fetch that keeps the books; one at a time for each key.
  fetch_function fetching(key_book& book, const std::string& name) {
    return [this, &book, name](fetch_sink& sink) {
      const unsigned other = book.fetcher.exchange(number + 1);
      if (other != 0 && !books.workers[other - 1].doomed) complain("two fetch " + name + " at once");
      ++book.fetches;
      const std::string text = self_describing(name, now_ns(), 1 + any(1500));
      sink.write(text.substr(0, text.size() / 2));
      sink.write(text.substr(text.size() / 2));
      book.fetcher = 0;
    };
  }

  /// A content of this epoch, mirrored over what others mirrored.
  void mirror() {
    const unsigned epoch = books.epoch;
    const unsigned which = any(crowd_keys);
    const std::string key = "data/" + std::to_string(epoch) + "/" + std::to_string(which);
    constexpr mirror_link links[] = {mirror_link::isolated, mirror_link::copy, mirror_link::hard_link};
    const mirror_options how{.link = links[any(3)], .overwrite = true, .level = durability::visible};
    key_book& book = books.keys[epoch][which];
    own().asking = &book;
    const auto got =
        cache.fetch_and_mirror(key, mirror_of(place, which), fetching(book, key), fetch_policy::if_missing(), how);
    own().asking = nullptr;
    if (require_whole(content_of(got.entry), "an entry").name != key) complain("another key's content came for " + key);
    require_whole(read_file(mirror_of(place, which)), "a mirror");
    ++books.mirrored;
  }

  /// Served by a fetch that began after the request; the path stays as long as the lease.
  void refresh() {
    const std::string key = "fresh/" + std::to_string(any(2));
    const long long asked = now_ns();
    const auto bring = [&](fetch_sink& sink) { sink.write(self_describing(key, now_ns(), 1 + any(300))); };
    const cache_lease leased = cache.lease(key, bring, fetch_policy::always());
    if (require_whole(content_of(leased.entry()), "a refreshed entry").number < asked) {
      complain("an old content was given for a new one");
    }
    for (int round = 0; round < 3; ++round) require_whole(read_file(leased.path()), "a leased path");
    ++books.refreshed;
  }

  /// 0 and 1 publish files, 2 trees; 3 to 5 read; 6 and 7 sweep; 8 and 9 evict; 10 to 13 mirror; 14 and 15 refresh.
  void step() {
    if (number < 2) return publish_files();
    if (number == 2) return publish_tree();
    if (number < 6) return read_everything();
    if (number < 8) return sweep();
    if (number < 10) return evict();
    return number < 14 ? mirror() : refresh();
  }

  fs::path place;
  crowd_books& books;
  unsigned number;
  std::mt19937 random;
  mirror_cache cache;
};

crowd_member::crowd_member(const fs::path& place, crowd_books& books, unsigned number, unsigned seed)
    : impl_(new impl(place, books, number, seed)) {}

crowd_member::~crowd_member() {
  delete impl_;
}

std::string crowd_member::work() try {
  while (!impl_->books.over) impl_->step();
  return {};
} catch (const std::exception& wrong) {
  return "member " + std::to_string(impl_->number) + ": " + wrong.what();
}

bool crowd_member::may_be_killed(unsigned number) {
  return number != 8 && number != 9;
}

void crowd_member::prepare(const fs::path& place) {
  for (const char* directory : {"targets", "mirrors"}) fs::create_directory(place / directory);
  for (unsigned n = 0; n < crowd_targets; ++n) publish(target_of(place, n), self_describing("target", 0, 3));
  for (unsigned n = 0; n < crowd_keys; ++n) publish(mirror_of(place, n), self_describing("nothing", 0, 3));
  publish_directory(tree_of(place), [](const fs::path& staged) { fill_tree(staged, 0); });
}

std::string crowd_member::look_at(const fs::path& place) try {
  crowd_books nobody;
  impl(place, nobody, 3, 0).read_everything();
  return {};
} catch (const std::exception& wrong) {
  return wrong.what();
}

}  // namespace testing
