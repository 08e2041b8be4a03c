/// Asking the cache, with a fetch by URL or by command.
#include <optional>

#include <lockkit/error.hpp>

#include "cache_command.hpp"
#include "command_fetch.hpp"
#include "exit_code.hpp"
#include "failure.hpp"
#include "fetching/console.hpp"
#include "fetching/failure.hpp"
#include "fetching/policy.hpp"
#include "fetching/stop_on_signal.hpp"
#include "fetching/transfer.hpp"
#include "message.hpp"
#include "options.hpp"

namespace lockkit_command {
namespace {

/// What the tools that fetch tell apart, in the codes of this command.
exit_code code_of(fetching::exit_status status) noexcept {
  using fetching::exit_status;
  switch (status) {
    case exit_status::no_input:
      return bad_data;
    case exit_status::software:
      return io_error;
    default:
      return static_cast<exit_code>(status);
  }
}

class asking {
 public:
  explicit asking(const cache_request& given) : given_(given), label_(printable(given.key)) {}

  cache_access access() {
    cache_access result{fetch(), fetching::parse_policy(given_.fetch.policy), {}};
    result.options.until = lockkit::deadline::after(given_.timeout);
    result.options.offline = given_.fetch.offline_mode();
    if (!given_.fetch.sha256.empty()) result.options.sha256 = given_.fetch.sha256;
    if (stop_) result.options.stop = stop_->token();
    result.options.on_progress = [this](const auto& now) { console_.progress(label_, now); };
    result.options.on_wait_progress = result.options.on_progress;
    result.options.on_wait = [this](const std::string&, const lockkit::owner& holder) {
      console_.say(
          fmt::format("lockkit: waiting for {}, which fetches '{}' already", printable(holder.describe()), label_));
    };
    return result;
  }
  void arrived(const lockkit::cache_entry& entry) {
    console_.finish(label_, entry.fetched_here() && brought_);
    if (entry.stale_reason().empty()) return;
    console_.say(fmt::format("lockkit: '{}' {}", label_, printable(fetching::describe_staleness(entry))));
  }
  void failed() { console_.finish(label_, false); }
  /// 0: none has come.
  [[nodiscard]] int signal() const { return stop_ ? stop_->signal() : 0; }

 private:
  /// A command stands in the foreground itself, and the signals are its own: while we wait for it to be our turn they
  /// end us, which leaves nothing.
  lockkit::fetch_function fetch() {
    if (!given_.command.empty()) {
      return [this](lockkit::fetch_sink& sink) { fetch_by_command(given_.command, sink); };
    }
    stop_.emplace();
    stop_->watched();
    library_.emplace();
    settings_ = given_.fetch.transfers();
    settings_.on_retry = [this](const std::string& reason) {
      console_.say(fmt::format("lockkit: '{}': {}; trying again", label_, printable(reason)));
    };
    return [this](lockkit::fetch_sink& sink) {
      console_.progress(label_, {});
      brought_ = fetching::transfer(given_.key, sink, settings_) == fetching::transfer_result::brought;
    };
  }

  const cache_request& given_;
  std::string label_;
  std::optional<fetching::stop_on_signal> stop_;  // first: what it blocks is inherited by later threads
  std::optional<fetching::transfer_library> library_;
  fetching::transfer_options settings_;
  bool brought_ = true;
  fetching::console console_;
};

}  // namespace

const char* const fetching_help =
    "KEY is a URL (https, http or file), or, with a COMMAND, any text. COMMAND runs without a shell, when a fetch is "
    "needed\n"
    "and it is this process's turn, and writes to the file that LOCKKIT_FILE names and that stands in place of each\n"
    "argument {}; what it wrote is cached if it exits with 0. The file is below TMPDIR. What COMMAND prints goes to "
    "stderr. 65: there is no such URL, or "
    "the\n"
    "content is not what --sha256 promises; 69: the server can't be reached or keeps failing; 75: --timeout has "
    "passed\n"
    "(which does not end a COMMAND that runs). A KEY that begins with '-': behind '--'.";

CLI::Option* add_request(CLI::App& app, cache_request& given) {
  CLI::Option* const key = app.add_option("key", given.key, "A URL, or with a COMMAND any text")->type_name("KEY");
  fetching::declare(app, given.fetch);
  add_duration(app, "--timeout", given.timeout, "For waiting and fetching; 0: do not wait for others [never give up]");
  return key;
}

int with_access(const cache_request& given, const std::function<lockkit::cache_entry(const cache_access&)>& ask) {
  asking one(given);
  try {
    one.arrived(ask(one.access()));
    return done;
  } catch (const fetching::failure& failed) {
    one.failed();
    if (one.signal() != 0) return by_signal + one.signal();
    throw failure(code_of(failed.status()), printable(failed.what()));
  } catch (const std::system_error& failed) {
    one.failed();
    if (one.signal() != 0) return by_signal + one.signal();
    if (failed.code() != std::errc::operation_canceled) throw;
    say("{} was not fetched within {}; wait longer", in_quotes(given.key), duration_text(given.timeout));
    return not_in_time;
  } catch (...) {
    one.failed();
    throw;
  }
}

}  // namespace lockkit_command
