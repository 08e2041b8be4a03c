#include "board.hpp"

#include <unistd.h>

#include <chrono>

#include "text.hpp"
#include "tooling/failure.hpp"

namespace status_board {
namespace {

std::string describe(const lockkit::owner& holder, bool foreign) {
  if (!foreign) return holder.describe();
  return holder.pid == 0 ? "a script that left no PID" : fmt::format("a script, {}", holder.describe());
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

board::board(const std::filesystem::path& checkout, const std::filesystem::path& configuration_file, std::string what)
    : place(open_repository(checkout)),
      settings(read_configuration(configuration_file, place.common_dir)),
      program(place.checkout),
      purpose(std::move(what)) {
  if (settings.author_email.empty()) {
    settings.author_email = fmt::format("status_board@{}", lockkit::current_process().host);
  }
}

/// In one piece: several processes share a log.
void board::say(std::string_view text) const {
  const std::string line = fmt::format("status_board: {} (pid {}): {}\n", printable(purpose), ::getpid(), text);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::filesystem::path board::lock_path() const {
  return place.common_dir / (settings.lock + ".lock");
}

std::optional<lockkit::lock_file> board::lock() const {
  std::string holder;
  lockkit::lock_file file(lock_path(), {.timeout = settings.timeout,
                                        .label = purpose,
                                        .foreign = settings.reclaim_dead ? lockkit::foreign_policy::reclaim_dead
                                                                         : lockkit::foreign_policy::respect,
                                        .reclaim_empty_after = settings.reclaim_empty_after,
                                        .on_wait = [&](const lockkit::wait_notice& notice) {
                                          holder = describe(notice.holder, notice.foreign);
                                          say("waits for {}", holder);
                                        }});
  const auto begin = std::chrono::steady_clock::now();
  try {
    file.lock();
  } catch (const lockkit::lock_timeout& late) {
    say("lock not had in {:.3f} s: held by {}", seconds_since(begin), describe(late.holder(), late.foreign()));
    return std::nullopt;
  } catch (const lockkit::error& wrong) {
    say("lock not had: {}", wrong.what());
    return std::nullopt;
  }
  if (!holder.empty()) say("waited {:.3f} s for {}", seconds_since(begin), holder);
  return file;
}

void board::unlock(lockkit::lock_file& held) const {
  held.unlock();
  if (held.lost()) say("somebody removed the lock while it was held here: a script that judges locks by itself?");
}

lockkit::file_mutex board::files_mutex() const {
  return lockkit::file_mutex(place.common_dir / (settings.lock + ".files"), {.timeout = std::chrono::seconds(2)});
}

}  // namespace status_board
