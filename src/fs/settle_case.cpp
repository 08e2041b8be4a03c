// When one directory has settled.
//
//  1. Two looks that agree, begun and ended at least the quiet time apart, and no event from before the first until
//     after the second: a look alone says nothing of its duration, events alone nothing of what came before them.
//  2. The first look comes after a lull: a tree that is being copied would be walked for each of its files.
//  3. Looking at a big tree takes time: no more than a fifth of all time goes into it.
//  4. Writers are asked for in the second look, so that nobody who is still busy meets our leases. A look that met one
//     is no first look: a store through a mapping changes no time if the page was dirty before, and only the end of
//     the mapping is an event. Where there are no events, the first look asks as well.
//  5. The caller's own test is asked when nothing else is in the way. It may take long and may change the directory
//     itself: events are handed over after it, and only then is the case at rest.
//  6. What holds a quiet directory back usually goes with an event. It need not: a file can be closed under a name
//     outside, a marker may lie elsewhere. So it is looked at again, at growing intervals.
//  7. A directory that was moved in whole is looked at once. Any event or objection makes it one like the others.
//  8. Lost events are a doubt, no activity: they come when somebody else writes faster than we read, perhaps for hours,
//     and that must not hold the others back. Who waits is compared by its two looks alone; who has been told is looked
//     at again, with growing pauses.
//  9. Without events (network filesystem, no more watches) every look is a first one and, if it agrees with the one
//     before, a second one; so it also goes on after the directory was told.

#include "settle_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "settle_names.hpp"

namespace lockkit::detail {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr nanoseconds longest_pause = 10s;
constexpr int restless_limit = 10;  // quiet times
constexpr int least_idle = 4;       // times what a look costs
constexpr int lull_part = 8;        // of the quiet time
const std::string still_changing = "it is still changing";

}  // namespace

nanoseconds quiet_time(const settle_options& options) noexcept {
  return std::clamp<std::chrono::milliseconds>(options.quiet_time, 1ms, 24h * 365);
}

settle_case::settle_case(case_number number, case_place place, std::filesystem::path path,
                         const settle_options& options, bool trusted)
    : number_(number),
      place_(std::move(place)),
      path_(std::move(path)),
      options_(options),
      quiet_(quiet_time(options)),
      phase_(trusted ? phase::moved_in : phase::restless),
      due_(steady::now()),
      restless_since_(due_),
      obstacle_{"it was not looked at yet", {}} {}

nanoseconds settle_case::lull() const noexcept {
  return std::max<nanoseconds>({quiet_ / lull_part, least_idle * cost_, 1ms});
}

void settle_case::touched(const std::filesystem::path& where) {
  const auto now = steady::now();
  note_activity(now, where);
  phase_ = phase::restless;
  print_.reset();
  next_pause_ = 0ns;
  due_ = now + lull();
}

void settle_case::note_activity(steady::time_point now, const std::filesystem::path& where) {
  if (std::exchange(was_quiet_, false)) restless_since_ = now;
  if (now - restless_since_ >= restless_limit * quiet_) worth_telling_ = true;
  obstacle_ = {still_changing, where};
}

void settle_case::moved_in() noexcept {
  phase_ = phase::moved_in;
  due_ = steady::now();
}

void settle_case::doubt(nanoseconds pause) {
  if (phase_ == phase::told) due_ = std::min(due_, steady::now() + pause);
  if (phase_ == phase::moved_in) phase_ = phase::restless;
}

tree_look settle_case::scan(settle_watches& watches, bool probe_writers, const std::stop_token& stop) {
  const auto began = steady::now();
  tree_look look = scan_tree(place_, {options_, watches, number_, probe_writers, stop});
  cost_ = steady::now() - began;
  return look;
}

void settle_case::look(settle_watches& watches, const std::stop_token& stop) {
  const bool may_settle = phase_ == phase::moved_in || phase_ == phase::compared || phase_ == phase::at_rest;
  if (phase_ == phase::at_rest) phase_ = phase::compared;  // it was, but nobody could be told
  error_.clear();
  gone_ = false;
  judge(scan(watches, may_settle, stop));
}

void settle_case::judge(const tree_look& look) {
  switch (look.end) {
    case tree_look::outcome::stopped:
      return;
    case tree_look::outcome::gone:
      gone_ = true;
      return;
    case tree_look::outcome::moving:
      return touched(look.trouble);
    case tree_look::outcome::refused:
      error_ = look.error;
      if (phase_ != phase::told) phase_ = phase::restless;
      return hold_back({fmt::format("it can't be looked into: {}", look.error.message()), look.trouble});
    case tree_look::outcome::complete:
      return judge_complete(look);
  }
}

void settle_case::judge_complete(const tree_look& look) {
  events_seen_ = look.events_seen;
  const bool same = print_ == look.print;
  if (phase_ == phase::told) return same ? rest() : touched({});
  const bool is_second = phase_ == phase::compared;
  const bool was_free = std::exchange(was_free_, !look.unfinished);
  const bool is_enough = phase_ == phase::moved_in || (is_second && same && (was_free || look.unfinished));
  phase_ = phase::compared;
  print_ = look.print;
  if (!is_enough) {
    obstacle_ = {"it has not been quiet for long enough", {}};
    if (is_second && !same) note_activity(steady::now(), {});
    due_ = steady::now() + pause_between_looks();
    return;
  }
  was_quiet_ = is_second;
  writers_seen_ = look.writers_seen;
  if (const auto found = objection(look)) return hold_back(*found);
  phase_ = phase::at_rest;
}

nanoseconds settle_case::pause_between_looks() const noexcept {
  return events_seen_ ? quiet_ : std::max(quiet_, least_idle * cost_);
}

std::optional<offence> settle_case::objection(const tree_look& look) const {
  if (!place_.named_by_caller && is_in_progress(path_.filename(), options_)) return offence{unfinished_name, {}};
  if (look.unfinished) return look.unfinished;
  if (look.files < options_.minimum_files) {
    return offence{fmt::format("it holds {} of at least {} files", look.files, options_.minimum_files), {}};
  }
  if (options_.complete && !options_.complete(path_)) return offence{"the caller's own test does not hold", {}};
  return {};
}

void settle_case::hold_back(offence what) {
  obstacle_ = std::move(what);
  worth_telling_ = true;
  next_pause_ = next_pause_ == 0ns ? quiet_ : std::min(2 * next_pause_, std::max(quiet_, longest_pause));
  due_ = steady::now() + std::max(next_pause_, least_idle * cost_);
}

void settle_case::rest() noexcept {
  phase_ = phase::told;
  next_pause_ = 0ns;
  due_ = events_seen_ ? steady::time_point::max() : steady::now() + pause_between_looks();
}

settle_result settle_case::take_rest() {
  rest();
  worth_telling_ = false;
  told_.reset();
  return {settle_state::settled, {}, path_, writers_seen_, events_seen_};
}

settle_result settle_case::why() const {
  return {gone_ ? settle_state::vanished : settle_state::unsettled, gone_ ? "it is gone" : obstacle_.reason,
          obstacle_.where.empty() ? path_ : path_ / obstacle_.where, writers_seen_, events_seen_};
}

std::optional<settle_result> settle_case::take_notice() {
  if (!std::exchange(worth_telling_, false)) return {};
  const bool is_new = !told_ || told_->reason != obstacle_.reason ||
                      (told_->where != obstacle_.where && obstacle_.reason != still_changing);
  if (!is_new) return {};
  told_ = obstacle_;
  return why();
}

void settle_case::look_for_reason(settle_watches& watches) {
  const tree_look look = scan(watches, true, {});
  gone_ = look.end == tree_look::outcome::gone;
  events_seen_ = look.events_seen;
  writers_seen_ = look.writers_seen;
  if (look.end == tree_look::outcome::complete && look.unfinished) obstacle_ = *look.unfinished;
}

}  // namespace lockkit::detail
