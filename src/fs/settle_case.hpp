#pragma once
/// One directory on its way to rest. Knows nothing of who asks and of how events come; settle_case.cpp has the rules.

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>

#include <lockkit/settle.hpp>

#include "settle_scan.hpp"

namespace lockkit::detail {

using steady = std::chrono::steady_clock;

/// As the options say, within reason.
[[nodiscard]] std::chrono::nanoseconds quiet_time(const settle_options& options) noexcept;

class settle_case {
 public:
  /// `path` is what people and the caller's own test see. `trusted`: it was moved in whole. `options` must outlive it.
  settle_case(case_number number, case_place place, std::filesystem::path path, const settle_options& options,
              bool trusted);

  [[nodiscard]] case_number number() const noexcept { return number_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// When to look next.
  [[nodiscard]] steady::time_point due() const noexcept { return due_; }

  /// It has just arrived, whole.
  void moved_in() noexcept;
  /// Something happened at `where` (relative).
  void touched(const std::filesystem::path& where);
  /// Events were lost. If it was told, look again when `pause` is over.
  void doubt(std::chrono::nanoseconds pause);

  /// Looks, and asks the caller's own test if nothing else is in the way (it may throw). Afterwards the events that
  /// have come by then must be handed over; what is at rest then has settled.
  void look(settle_watches& watches, const std::stop_token& stop);
  [[nodiscard]] bool at_rest() const noexcept { return phase_ == phase::at_rest; }
  [[nodiscard]] bool is_gone() const noexcept { return gone_; }
  /// What opening or listing gave, at the last look.
  [[nodiscard]] const std::error_code& error() const noexcept { return error_; }
  /// It is being told to the caller: the next time of rest is another one.
  [[nodiscard]] settle_result take_rest();

  /// Why it has not settled, as far as is known.
  [[nodiscard]] settle_result why() const;
  /// The same, if it is worth telling and was not told yet.
  [[nodiscard]] std::optional<settle_result> take_notice();
  /// A look that only finds out what stands in the way, for somebody whose time is up.
  void look_for_reason(settle_watches& watches);

 private:
  enum class phase {
    moved_in,  ///< one look is enough
    restless,  ///< no look since the last activity
    compared,  ///< `print_` is from the last look
    at_rest,   ///< settled, and not yet told
    told,
  };

  [[nodiscard]] tree_look scan(settle_watches& watches, bool probe_writers, const std::stop_token& stop);
  void judge(const tree_look& look);
  void judge_complete(const tree_look& look);
  [[nodiscard]] std::optional<offence> objection(const tree_look& look) const;
  void hold_back(offence what);
  void note_activity(steady::time_point now, const std::filesystem::path& where);
  void rest() noexcept;
  [[nodiscard]] std::chrono::nanoseconds lull() const noexcept;
  [[nodiscard]] std::chrono::nanoseconds pause_between_looks() const noexcept;

  case_number number_;
  case_place place_;
  std::filesystem::path path_;
  const settle_options& options_;
  std::chrono::nanoseconds quiet_;
  phase phase_;
  steady::time_point due_;
  steady::time_point restless_since_;
  bool was_quiet_ = false;
  std::optional<fingerprint> print_;
  bool was_free_ = true;                    ///< of writers and unfinished names, in that look
  std::chrono::nanoseconds cost_{0};        ///< of the last look
  std::chrono::nanoseconds next_pause_{0};  ///< of rule 6; zero: none yet
  offence obstacle_;
  bool worth_telling_ = false;
  std::optional<offence> told_;
  bool writers_seen_ = true;
  bool events_seen_ = true;
  bool gone_ = false;
  std::error_code error_;
};

}  // namespace lockkit::detail
