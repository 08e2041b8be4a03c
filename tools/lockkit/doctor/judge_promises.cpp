/// From abilities to promises. Locks and publishing are judged by what lockkit itself says to them.
#include <algorithm>

#include <lockkit/lock_file.hpp>
#include <lockkit/staged_file.hpp>

#include "doctor/examination.hpp"

namespace lockkit_command {
namespace {

namespace fs = std::filesystem;
using lockkit::remote_policy;

/// What lockkit said.
struct trial {
  bool works = false;
  std::string reason;
};

trial outcome(const std::error_code& ec, bool had) {
  if (ec) return {false, ec.message()};
  return {had, had ? "" : "it is refused"};
}

trial try_lock_file(const fs::path& place, remote_policy policy) {
  std::error_code ec;
  lockkit::lock_file lock(place / "trial.lock", {.remote = policy});
  const bool had = lock.try_lock(ec);
  return outcome(ec, had);
}

trial try_publishing(const fs::path& place, lockkit::publish_mode mode, lockkit::durability level) {
  std::error_code ec;
  const fs::path target = place / (mode == lockkit::publish_mode::replace ? "replaced" : "made");
  for (int turn = 0; turn < 2 && !ec; ++turn) {  // the second replaces, or is refused
    constexpr std::string_view text = "content\n";
    static_cast<void>(lockkit::publish(target, std::as_bytes(std::span(text)), level, {.mode = mode}, ec));
  }
  return outcome(ec, true);
}

class judge {
 public:
  judge(const fs::path& place, const std::vector<probe_result>& probes) : place_(place), probes_(probes) {
    local_ = try_lock_file(place, remote_policy::refuse);
    if (!local_.works) served_ = try_lock_file(place, remote_policy::trust_server);
  }

  std::vector<promise> all() {
    exclusion();
    scripts();
    recovery();
    waiting();
    publishing();
    settling();
    copies();
    claims();
    return std::move(promises_);
  }

 private:
  bool works(std::string_view name) const {
    const auto found = std::ranges::find(probes_, name, &probe_result::name);
    return found != probes_.end() && found->works.value_or(false);
  }
  void add(const char* name, verdict value, std::string reason = {}) {
    promises_.push_back({name, value, std::move(reason)});
  }
  bool locks() const { return local_.works || served_.works; }

  void exclusion() {
    if (local_.works) return add("locks exclude", verdict::holds);
    if (served_.works) {
      return add("locks exclude", verdict::weaker,
                 "only for programs that trust the server, and while its lease lives; the command refuses");
    }
    add("locks exclude", verdict::refuses, served_.reason);
  }

  void scripts() {
    if (!locks()) return add("scripts see the lock file", verdict::refuses, served_.reason);
    if (works("link_by_descriptor") || works("rename_noreplace"))
      return add("scripts see the lock file", verdict::holds);
    add("scripts see the lock file", verdict::weaker,
        "no links and no RENAME_NOREPLACE: a crash in one instant leaves an empty file that a person must remove");
  }

  void recovery() {
    if (local_.works) return add("a dead holder is succeeded at once", verdict::holds);
    if (!locks()) return add("a dead holder is succeeded at once", verdict::refuses, served_.reason);
    add("a dead holder is succeeded at once", verdict::weaker, "once the server has noticed");
  }

  void waiting() {
    if (!locks()) return add("waiters are woken", verdict::refuses, served_.reason);
    if (local_.works && works("inotify")) return add("waiters are woken", verdict::holds);
    add("waiters are woken", verdict::weaker, "they look again every few milliseconds");
  }

  void publish_promise(const char* name, lockkit::publish_mode mode, lockkit::durability level) {
    const trial tried = try_publishing(place_, mode, level);
    add(name, tried.works ? verdict::holds : verdict::refuses, tried.reason);
  }

  void publishing() {
    using lockkit::durability;
    using lockkit::publish_mode;
    publish_promise("readers see old or new content", publish_mode::replace, durability::consistent);
    publish_promise("published only if absent", publish_mode::if_absent, durability::consistent);
    publish_promise("published content survives a power cut", publish_mode::replace, durability::durable);
  }

  void settling() {
    if (works("inotify") && local_.works) return add("settled folders are told apart", verdict::holds);
    add("settled folders are told apart", verdict::weaker,
        "by looking again alone: changes from elsewhere make no events");
  }

  void copies() {
    if (works("reflink")) return add("the cache's mirrors share their blocks", verdict::holds);
    add("the cache's mirrors share their blocks", verdict::weaker, "they are copied");
  }

  void claims() {
    if (local_.works && works("ofd_lock")) return add("claims and tasks", verdict::holds);
    add("claims and tasks", verdict::refuses, "their database must lie on a filesystem of this machine");
  }

  const fs::path& place_;
  const std::vector<probe_result>& probes_;
  trial local_;
  trial served_;
  std::vector<promise> promises_;
};

}  // namespace

std::vector<promise> judge_promises(const fs::path& place, const std::vector<probe_result>& probes) {
  return judge(place, probes).all();
}

}  // namespace lockkit_command
