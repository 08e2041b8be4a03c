// The service.
//
//  1. The parent is watched before it is listed, as each directory inside is.
//  2. An event of the parent says only that something is about a name. What it is now is looked up: events come late,
//     and may be of an earlier directory of that name.
//  3. Between a look and telling, all events that have come are handed over: what is told was at rest when the last of
//     them was read.
//  4. Callbacks are called when nothing is half done, and what they are told of is marked as told before: they may
//     throw, and may do anything to the directories.
//  5. A directory renamed within the parent is not "moved in whole": people make a folder and then name it. It is,
//     when the old name was hidden or in progress: that is how a copier publishes.
//  6. The parent is not held open: the kernel reports the removal of a directory only when nobody has it open. Names are
//     looked up by its path, and what is not found there is gone only if the path still leads to the parent.
//  7. After lost events no move is trusted, since its other half may be among them, and everything is listed again,
//     with growing pauses.

#include <fcntl.h>

#include <deque>
#include <map>
#include <unordered_map>

#include <lockkit/settle.hpp>

#include "core/throw_error.hpp"
#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/listing.hpp"
#include "platform/process.hpp"
#include "settle_case.hpp"
#include "settle_names.hpp"
#include "settle_sleep.hpp"

namespace lockkit::inline v0 {

using detail::case_number;
using detail::settle_case;
using detail::steady;
using platform::entry_state;

struct settled_directories::impl {
  impl(std::filesystem::path parent, settle_options options, callbacks functions, std::error_code& ec);
  void run(const std::stop_token& stop, std::error_code& ec);

  std::filesystem::path path;

 private:
  static constexpr case_number parent_number = 0;
  static constexpr std::size_t most_open_moves = 256;

  /// A directory inside, and which one it is.
  struct entry {
    settle_case it;
    std::uint64_t device;
    std::uint64_t inode;
    [[nodiscard]] bool is(const entry_state& found) const noexcept {
      return device == found.device && inode == found.inode;
    }
  };

  void take_events(std::error_code& ec);
  void take(const platform::tree_event& event, std::error_code& ec);
  void take_of_parent(const platform::tree_event& event, std::error_code& ec);
  [[nodiscard]] bool is_trusted(const platform::tree_event& event);
  void events_were_lost();
  void look_up(const std::string& name, bool trusted, bool is_activity, std::error_code& ec);
  void check_parent(std::error_code& ec) const;
  [[nodiscard]] std::chrono::nanoseconds pause_between_lists() const noexcept;
  void list(std::error_code& ec);
  void drop(const std::string& name);
  [[nodiscard]] platform::unique_fd open_parent(std::error_code& ec) const;
  void look_at_due(const std::stop_token& stop, std::error_code& ec);
  void look_at(case_number number, const std::stop_token& stop, std::error_code& ec);
  void tell();
  [[nodiscard]] settle_case* find(case_number number);
  [[nodiscard]] deadline next_due() const;

  settle_options options_;
  callbacks callbacks_;
  std::uint64_t generation_ = platform::process_generation();
  std::filesystem::path absolute_;  ///< of the parent: the program may change its working directory
  entry_state parent_;
  std::error_code no_events_;
  detail::settle_watches watches_{no_events_};
  int watch_ = -1;  ///< of the parent; -1: it is listed time and again
  bool lost_ = false;
  std::map<std::string, entry> entries_;
  std::unordered_map<case_number, std::string> names_;
  case_number last_number_ = parent_number;
  std::unordered_map<std::uint32_t, std::string> moves_;  ///< names that left the parent, by the cookie of the move
  bool distrust_moves_ = false;
  steady::time_point list_at_;
  std::chrono::nanoseconds list_cost_{0};
  detail::lost_events lost_events_;
  std::map<case_number, std::filesystem::path> touched_;  ///< in the events being taken: where last
  std::deque<std::filesystem::path> vanished_;            ///< to be told
};

settled_directories::impl::impl(std::filesystem::path parent, settle_options options, callbacks functions,
                                std::error_code& ec)
    : path(std::move(parent)), options_(std::move(options)), callbacks_(std::move(functions)) {
  absolute_ = std::filesystem::absolute(path, ec);
  const platform::unique_fd directory = open_parent(ec);
  if (!ec) parent_ = platform::state_at(directory.get(), "", platform::freshness::cached, ec);
  if (ec) return;
  std::error_code unknown;
  if (platform::filesystem_of(directory.get(), unknown) == platform::filesystem_kind::local) {
    watch_ = watches_.add(directory.get(), parent_number, -1, {});
  }
}

platform::unique_fd settled_directories::impl::open_parent(std::error_code& ec) const {
  return platform::open_at(AT_FDCWD, absolute_.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
}

/// After it, ENOENT of a name inside means that the name is gone.
void settled_directories::impl::check_parent(std::error_code& ec) const {
  const platform::unique_fd directory = open_parent(ec);
  const entry_state found =
      ec ? entry_state() : platform::state_at(directory.get(), "", platform::freshness::cached, ec);
  if (ec) return;
  if (found.device == parent_.device && found.inode == parent_.inode) return;
  ec = std::make_error_code(std::errc::no_such_file_or_directory);
}

settle_case* settled_directories::impl::find(case_number number) {
  const auto name = names_.find(number);
  return name == names_.end() ? nullptr : &entries_.find(name->second)->second.it;
}

void settled_directories::impl::take_events(std::error_code& ec) {
  std::error_code unread;
  const auto events = watches_.take_events(unread);
  if (unread) events_were_lost();
  touched_.clear();
  for (const platform::tree_event& event : events) {
    take(event, ec);
    if (ec) return events_were_lost();  // those behind it, should anybody run again
  }
  for (const auto& [number, where] : touched_) {
    if (settle_case* const found = find(number)) found->touched(where);
  }
}

void settled_directories::impl::take(const platform::tree_event& event, std::error_code& ec) {
  if (event.overflow()) return events_were_lost();
  if (event.watch == watch_) return take_of_parent(event, ec);
  if (event.ended) return watches_.ended(event.watch);
  const auto owner = watches_.owner_of(event.watch);
  if (owner && !detail::is_about_a_lock(event.name)) touched_[*owner] = watches_.place_of(event);
}

void settled_directories::impl::take_of_parent(const platform::tree_event& event, std::error_code& ec) {
  if (event.itself || event.ended) {
    lost_ = true;
    ec = std::make_error_code(std::errc::no_such_file_or_directory);
  } else if (!event.name.empty()) {
    if (event.moved_from) {
      if (moves_.size() >= most_open_moves) moves_.clear();
      moves_[event.cookie] = event.name;
    }
    look_up(event.name, is_trusted(event), true, ec);
  }
}

bool settled_directories::impl::is_trusted(const platform::tree_event& event) {
  if (!event.moved_to || !options_.trust_moves || distrust_moves_) return false;
  const auto old = moves_.extract(event.cookie);
  return old.empty() || old.mapped().front() == '.' || detail::is_in_progress(old.mapped(), options_);
}

void settled_directories::impl::events_were_lost() {
  const auto pause = lost_events_.next_pause();
  for (auto& [name, known] : entries_) known.it.doubt(pause);
  distrust_moves_ = true;
  list_at_ = std::min(list_at_, steady::now() + pause);
}

void settled_directories::impl::look_up(const std::string& name, bool trusted, bool is_activity, std::error_code& ec) {
  if (name.front() == '.') return;
  std::error_code absent;
  const std::string full = absolute_ / name;
  const entry_state found = platform::state_at(AT_FDCWD, full.c_str(), platform::freshness::from_server, absent);
  if (absent && absent != std::errc::no_such_file_or_directory) {  // of no single directory that is known: once more
    list_at_ = std::min(list_at_, steady::now() + pause_between_lists());
    return;
  }
  if (absent) check_parent(ec);
  if (ec) return;
  const bool exists = !absent && found.is_directory();
  const auto known = entries_.find(name);
  if (known != entries_.end()) {
    if (exists && known->second.is(found)) {
      if (trusted) {
        known->second.it.moved_in();  // a listing was quicker than the event
      } else if (is_activity) {
        known->second.it.touched({});
      }
      return;
    }
    drop(name);
  }
  if (!exists) return;
  const case_number number = ++last_number_;
  names_[number] = name;
  entries_.try_emplace(name, settle_case(number, {full}, path / name, options_, trusted), found.device, found.inode);
}

void settled_directories::impl::drop(const std::string& name) {
  const auto known = entries_.find(name);
  vanished_.push_back(known->second.it.path());
  watches_.forget_others(known->second.it.number(), {});
  names_.erase(known->second.it.number());
  entries_.erase(known);
}

void settled_directories::impl::list(std::error_code& ec) {
  const auto began = steady::now();
  list_at_ = steady::time_point::max();  // unless a name can't be looked up
  const platform::unique_fd directory = open_parent(ec);
  const std::vector<std::string> names = ec ? std::vector<std::string>() : platform::names_in(directory.get(), ec);
  if (!ec) check_parent(ec);
  if (ec) return;
  std::vector<std::string> either = names;
  for (const auto& [name, known] : entries_) {
    if (!std::ranges::binary_search(names, name)) either.push_back(name);  // gone, or it came since
  }
  for (const std::string& name : either) {
    if (!ec) look_up(name, false, false, ec);
  }
  if (ec) return;
  distrust_moves_ = false;
  list_cost_ = steady::now() - began;
  if (watch_ < 0) list_at_ = steady::now() + pause_between_lists();
}

std::chrono::nanoseconds settled_directories::impl::pause_between_lists() const noexcept {
  return std::max<std::chrono::nanoseconds>(detail::quiet_time(options_), 4 * list_cost_);
}

void settled_directories::impl::look_at_due(const std::stop_token& stop, std::error_code& ec) {
  std::vector<case_number> due;
  const auto now = steady::now();
  for (const auto& [name, known] : entries_) {
    if (known.it.due() <= now) due.push_back(known.it.number());
  }
  for (const case_number number : due) {
    if (!ec && !stop.stop_requested()) look_at(number, stop, ec);
  }
}

void settled_directories::impl::look_at(case_number number, const std::stop_token& stop, std::error_code& ec) {
  settle_case* it = find(number);
  if (it == nullptr) return;
  it->look(watches_, stop);
  if (it->is_gone()) {
    check_parent(ec);
    if (!ec) drop(names_.at(number));
  }
  if (!ec) take_events(ec);
  if (ec) return;
  tell();
  it = find(number);
  if (it == nullptr) return;
  if (it->at_rest()) {
    const std::filesystem::path where = it->path();
    const settle_result result = it->take_rest();
    if (callbacks_.on_settled) callbacks_.on_settled(where, result);
  } else if (const auto why = it->take_notice(); why && callbacks_.on_waiting) {
    const std::filesystem::path where = it->path();
    callbacks_.on_waiting(where, *why);
  }
}

void settled_directories::impl::tell() {
  while (!vanished_.empty()) {
    const std::filesystem::path gone = std::move(vanished_.front());
    vanished_.pop_front();
    if (callbacks_.on_vanished) callbacks_.on_vanished(gone);
  }
  for (const auto& [number, where] : std::exchange(touched_, {})) {
    settle_case* const it = find(number);
    const auto why = it == nullptr ? std::nullopt : it->take_notice();
    if (why && callbacks_.on_waiting) callbacks_.on_waiting(std::filesystem::path(it->path()), *why);
  }
}

deadline settled_directories::impl::next_due() const {
  auto first = list_at_;
  for (const auto& [name, known] : entries_) first = std::min(first, known.it.due());
  return deadline::at(first);
}

void settled_directories::impl::run(const std::stop_token& stop, std::error_code& ec) {
  ec.clear();
  if (generation_ != platform::process_generation()) ec = std::make_error_code(std::errc::operation_not_permitted);
  if (lost_) ec = std::make_error_code(std::errc::no_such_file_or_directory);
  const detail::settle_sleep sleep(stop);
  list_at_ = std::min(list_at_, steady::now());
  while (!ec && !stop.stop_requested()) {
    take_events(ec);
    if (!ec && list_at_ <= steady::now()) list(ec);
    tell();
    if (!ec) look_at_due(stop, ec);
    if (!ec) sleep.wait(watches_.fd(), next_due());
  }
}

settled_directories::settled_directories(std::filesystem::path parent, settle_options options, callbacks functions,
                                         std::error_code& ec) {
  ec.clear();
  if (parent.empty() || parent.native().find('\0') != std::string::npos) {
    ec = errc::invalid_name;
  } else {
    impl_ = std::make_unique<impl>(std::move(parent), std::move(options), std::move(functions), ec);
  }
}

settled_directories::settled_directories(std::filesystem::path parent, settle_options options, callbacks functions) {
  std::error_code ec;
  *this = settled_directories(parent, std::move(options), std::move(functions), ec);
  if (ec) detail::throw_error("watch", parent, ec);
}

settled_directories::~settled_directories() = default;
settled_directories::settled_directories(settled_directories&& other) noexcept = default;
settled_directories& settled_directories::operator=(settled_directories&& other) noexcept = default;

void settled_directories::run(std::stop_token stop, std::error_code& ec) {
  if (impl_ == nullptr) {
    ec = std::make_error_code(std::errc::bad_file_descriptor);
  } else {
    impl_->run(stop, ec);
  }
}

void settled_directories::run(std::stop_token stop) {
  detail::throwing("watch", impl_ == nullptr ? std::filesystem::path() : impl_->path,
                   [&](std::error_code& ec) { run(stop, ec); });
}

}  // namespace lockkit::inline v0
