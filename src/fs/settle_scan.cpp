// Looking at a tree that others change.
//
//  1. A directory is watched first and listed then: what is made in between shows in one of both.
//  2. Only one directory is open at a time, whatever the depth; names are single components, so PATH_MAX is no limit.
//     Going up is "..", and must lead to the directory that we came from: the tree may have been moved meanwhile.
//  3. Symbolic links are never followed: they are compared as what they are.
//  4. Anything that is missing between listing and looking is activity, not an error: the look is worth nothing.
//  5. Watches of directories that were not met any more are given up after a complete look: they may have been moved
//     out, and what happens there concerns nobody.
//  6. The size and the time of a directory speak only where there are no events: guards change them, too.
//  7. A file is opened with O_NONBLOCK: it may have become a FIFO. Somebody's write lease answers EAGAIN: a writer.
//  8. Writers are looked for until the first one is found; names likewise. A name that says "not finished" wins, since
//     people can do something about it.

#include "settle_scan.hpp"

#include <fcntl.h>

#include <utility>
#include <vector>

#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/lease_probe.hpp"
#include "platform/listing.hpp"
#include "settle_names.hpp"
#include "writer_table.hpp"

namespace lockkit::detail {

void fingerprint::add(std::uint64_t value) noexcept {
  constexpr std::array<std::uint64_t, 2> factors = {0xff51afd7ed558ccdU, 0xd6e8feb86659fd93U};
  for (std::size_t lane = 0; lane < state_.size(); ++lane) {
    std::uint64_t mixed = (state_[lane] ^ value) * factors[lane];
    mixed ^= mixed >> 32U;
    state_[lane] = mixed * factors[lane] + lane + 1;
  }
}

void fingerprint::add(const std::string& text) noexcept {
  std::uint64_t word = 0;
  unsigned filled = 0;
  for (const char c : text) {
    word = word << 8U | static_cast<unsigned char>(c);
    if (++filled % sizeof word == 0) add(std::exchange(word, 0));
  }
  add(word);
  add(text.size());
}

namespace {

using platform::entry_state;
using platform::unique_fd;
using outcome = tree_look::outcome;

constexpr int as_directory = O_RDONLY | O_DIRECTORY;

bool is_passing(const std::error_code& ec) noexcept {
  return ec == std::errc::no_such_file_or_directory || ec == std::errc::not_a_directory ||
         ec == std::errc::too_many_symbolic_link_levels || ec.value() == ESTALE;
}

/// A directory on the way down.
struct level {
  entry_state self;
  std::string name;
  int watch = -1;
  std::vector<std::string> directories;
  std::size_t next = 0;
};

class tree_walk {
 public:
  explicit tree_walk(const scan_terms& terms) : terms_(terms) {}

  tree_look run(const case_place& place) {
    std::error_code ec;
    current_ =
        platform::open_at(AT_FDCWD, place.path.c_str(), as_directory | (place.named_by_caller ? 0 : O_NOFOLLOW), 0, ec);
    if (ec) {
      end(is_gone(ec, place) ? outcome::gone : outcome::refused, ec);
    } else {
      enter({});
    }
    while (look_.end == outcome::complete && !levels_.empty()) step();
    if (look_.end == outcome::complete) terms_.watches.forget_others(terms_.owner, watched_);
    return std::move(look_);
  }

 private:
  /// In the service a file or a link at the name means that the directory is gone; a caller's path deserves an error.
  static bool is_gone(const std::error_code& ec, const case_place& place) noexcept {
    return ec == std::errc::no_such_file_or_directory || (!place.named_by_caller && is_passing(ec));
  }

  void end(outcome how, const std::error_code& ec = {}, const std::string& name = {}) {
    look_.end = how;
    look_.error = ec;
    look_.trouble = relative(name);
  }
  void end_by(const std::error_code& ec, const std::string& name = {}) {
    end(is_passing(ec) ? outcome::moving : outcome::refused, ec, name);
  }

  [[nodiscard]] std::filesystem::path relative(const std::string& name) const {
    std::filesystem::path path;
    for (const level& on_the_way : levels_) path /= on_the_way.name;  // the first has none
    return name.empty() ? path : path / name;
  }

  void step() {
    level& top = levels_.back();
    if (top.next == top.directories.size()) return leave();
    const std::string name = top.directories[top.next++];
    std::error_code ec;
    unique_fd below = platform::open_at(current_.get(), name.c_str(), as_directory | O_NOFOLLOW, 0, ec);
    if (ec) return end_by(ec, name);
    current_ = std::move(below);
    enter(name);
  }

  void leave() {
    levels_.pop_back();
    look_.print.add(levels_.size());
    if (levels_.empty()) return;
    std::error_code ec;
    unique_fd above = platform::open_at(current_.get(), "..", as_directory, 0, ec);
    if (ec) return end_by(ec);
    const entry_state found = platform::state_at(above.get(), "", platform::freshness::cached, ec);
    if (ec) return end_by(ec);
    const entry_state& expected = levels_.back().self;
    if (found.inode != expected.inode || found.device != expected.device) return end(outcome::moving);
    current_ = std::move(above);
  }

  /// `current_` has just been opened.
  void enter(const std::string& name) {
    std::error_code ec;
    level& here = levels_.emplace_back();
    here.name = name;
    here.self = platform::state_at(current_.get(), "", freshness(), ec);
    if (ec) return end_by(ec);
    here.watch = watch(here);
    add(here.self, name);
    const std::vector<std::string> names = platform::names_in(current_.get(), ec);
    if (ec) return end_by(ec);
    for (const std::string& entry : names) {
      if (terms_.stop.stop_requested()) return end(outcome::stopped);
      if (!belongs_to_a_lock(entry)) visit(here, entry);
      if (look_.end != outcome::complete) return;
    }
  }

  int watch(const level& here) {
    const bool is_root = levels_.size() == 1;
    if (is_root || here.self.device != levels_[levels_.size() - 2].self.device) {
      std::error_code ec;
      if (platform::filesystem_of(current_.get(), ec) == platform::filesystem_kind::remote) {
        look_.events_seen = look_.writers_seen = false;
        remote_ = true;
      }
    }
    const int parent = is_root ? -1 : levels_[levels_.size() - 2].watch;
    const int number = terms_.watches.add(current_.get(), terms_.owner, parent, here.name);
    if (number < 0) {
      look_.events_seen = false;
    } else {
      watched_.push_back(number);
    }
    return number;
  }

  [[nodiscard]] platform::freshness freshness() const noexcept {
    return remote_ ? platform::freshness::from_server : platform::freshness::cached;
  }

  void visit(level& here, const std::string& name) {
    std::error_code ec;
    const entry_state entry = platform::state_at(current_.get(), name.c_str(), freshness(), ec);
    if (ec) return end_by(ec, name);
    if (!named_ && is_in_progress(name, terms_.options)) {
      named_ = true;
      look_.unfinished = {unfinished_name, relative(name)};
    }
    if (entry.is_directory()) {
      here.directories.push_back(name);
      return;
    }
    add(entry, name);
    if (!entry.is_regular()) return;
    ++look_.files;
    if ((terms_.probe_writers || !look_.events_seen) && !look_.unfinished) look_for_writer(entry, name);
  }

  void add(const entry_state& entry, const std::string& name) noexcept {
    const bool timeless = entry.is_directory() && look_.events_seen;
    look_.print.add(name);
    look_.print.add(entry.mode);
    look_.print.add(entry.device);
    look_.print.add(entry.inode);
    look_.print.add(timeless ? 0 : entry.size);
    look_.print.add(timeless ? 0 : static_cast<std::uint64_t>(entry.modified_ns));
    look_.print.add(timeless ? 0 : static_cast<std::uint64_t>(entry.changed_ns));
  }

  void look_for_writer(const entry_state& entry, const std::string& name) {
    std::error_code ec;
    const unique_fd file = platform::open_at(current_.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, ec);
    const bool may_not = ec == std::errc::permission_denied || ec == std::errc::operation_not_permitted;
    const bool is_leased = ec == std::errc::resource_unavailable_try_again;
    if (ec && !may_not && !is_leased) return end_by(ec, name);
    platform::writers found = is_leased ? platform::writers::some : platform::writers::unknown;
    if (!probe_) probe_.emplace();
    if (file) found = probe_->ask(file.get(), ec);
    if (found == platform::writers::unknown) {
      look_.writers_seen = false;
      if (table_.has(entry.device, entry.inode)) found = platform::writers::some;
    }
    if (found == platform::writers::some) look_.unfinished = {"a process has it open for writing", relative(name)};
  }

  const scan_terms& terms_;
  tree_look look_;
  unique_fd current_;
  std::vector<level> levels_;
  std::vector<int> watched_;
  std::optional<platform::lease_probe> probe_;
  writer_table table_;
  bool named_ = false;
  bool remote_ = false;
};

}  // namespace

tree_look scan_tree(const case_place& place, const scan_terms& terms) {
  return tree_walk(terms).run(place);
}

}  // namespace lockkit::detail
