// Files that somebody has open for writing: other processes are the writers.
#include <lockkit/settle.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/settle_support.hpp"
#include "platform/fault.hpp"
#include "platform/lease_probe.hpp"
#include "support/catch.hpp"

using lockkit::deadline;
using lockkit::settle_result;
using lockkit::settle_state;
using lockkit::wait_until_settled;
using testing::put_file;
using testing::quiet_for;
using testing::writing_process;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;

TEST_CASE("a writer in another process that pauses for longer than the quiet time holds the directory back") {
  testing::scratch_directory place;
  for (const auto way : {writing_process::by::descriptor, writing_process::by::mapping}) {
    put_file(place / "case/sub/file");
    writing_process writer(place / "case/sub/file", way);
    const settle_result early = wait_until_settled(place / "case", quiet_for(10ms), deadline::after(200ms));
    CHECK(early.state == settle_state::unsettled);
    CHECK(early.reason == "a process has it open for writing");
    CHECK(early.where == place / "case/sub/file");
    writer.release();
    CHECK(wait_until_settled(place / "case", quiet_for(10ms), deadline::never()).state == settle_state::settled);
  }
}

TEST_CASE("a descriptor that a child inherited counts after its parent has closed it") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  testing::signal_pipe leave;
  int fd = ::open((place / "case/file").c_str(), O_WRONLY | O_CLOEXEC);
  testing::child_process heir([&] { return leave.receive(), 0; });
  ::close(fd);
  const auto ask = [&] { return wait_until_settled(place / "case", quiet_for(10ms), deadline::after(200ms)); };
  CHECK(ask().where == place / "case/file");
  leave.send();
  CHECK(heir.wait() == 0);
  CHECK(wait_until_settled(place / "case", quiet_for(10ms), deadline::never()).state == settle_state::settled);
}

TEST_CASE("a writer that closes under a name outside, without an event inside, is noticed") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  fs::create_hard_link(place / "case/file", place / "outside");
  writing_process writer(place / "outside");
  testing::running_service service(place.path(), quiet_for(10ms));
  CHECK(service.await(testing::news::kind::waiting, "case").result.where == place / "case/file");
  writer.release();
  service.await(testing::news::kind::settled, "case");
}

namespace {

constexpr unsigned nobody = 65534;

/// What an ordinary user is told who owns nothing there.
settle_result ask_as_nobody(const fs::path& directory, std::chrono::milliseconds time) {
  testing::signal_pipe answer;
  testing::child_process child([&] {
    if (::setgid(nobody) != 0 || ::setuid(nobody) != 0) return 1;
    const settle_result result = wait_until_settled(directory, quiet_for(10ms), deadline::after(time));
    answer.send(result.state == settle_state::settled ? 's' : 'u');
    answer.send(result.writers_seen ? 'y' : 'n');
    answer.send(result.where.filename() == "file" ? 'f' : 'd');
    return 0;
  });
  answer.close_write();
  settle_result result;
  result.state = answer.receive() == 's' ? settle_state::settled : settle_state::unsettled;
  result.writers_seen = answer.receive() == 'y';
  if (answer.receive() == 'f') result.where = directory / "file";
  CHECK(child.wait() == 0);
  return result;
}

}  // namespace

TEST_CASE("where the kernel refuses the lease, a writer is found in /proc, and that it is not certain is said") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root, to become another user");
    return;
  }
  testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0755));
  put_file(place / "case/file");
  fs::permissions(place / "case/file", fs::perms(0666));
  CHECK(wait_until_settled(place / "case", quiet_for(10ms), deadline::never()).writers_seen);
  const settle_result without = ask_as_nobody(place / "case", 60s);
  CHECK(without.state == settle_state::settled);
  CHECK_FALSE(without.writers_seen);
  {
    writing_process writer(place / "case/file", writing_process::by::descriptor, nobody);
    const settle_result with = ask_as_nobody(place / "case", 200ms);
    CHECK(with.state == settle_state::unsettled);
    CHECK(with.where == place / "case/file");
    writer.release();
  }
  fs::permissions(place / "case/file", fs::perms::none);  // can't even be opened
  const settle_result closed = ask_as_nobody(place / "case", 60s);
  CHECK(closed.state == settle_state::settled);
  CHECK_FALSE(closed.writers_seen);
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace {

volatile sig_atomic_t urgent_signals = 0;

/// Waits for a case to settle with a stop in the middle of the lease.
int settle_with_a_stop(const fs::path& directory, bool alone, const testing::signal_pipe& held,
                       const testing::signal_pipe& go_on) {
  ::signal(SIGIO, SIG_DFL);  // ends the process
  ::signal(SIGURG, [](int) { urgent_signals = urgent_signals + 1; });
  const std::jthread other([alone](const std::stop_token& stop) {  // who would get what is sent to the whole process
    while (!alone && !stop.stop_requested()) std::this_thread::sleep_for(1ms);
  });
  sigset_t before{};
  sigset_t after{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  fault::arm({.what = fault::action::stop,
              .name = "lease_probe.held",
              .announce_fd = held.write_end(),
              .resume_fd = go_on.read_end()});
  const settle_result result = wait_until_settled(directory, quiet_for(10ms), deadline::never());
  fault::disarm();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  if (result.state != settle_state::settled || !fault::fired()) return 1;
  if (::sigismember(&before, SIGURG) != ::sigismember(&after, SIGURG)) return 2;
  return 10 + urgent_signals;
}

}  // namespace

TEST_CASE("who opens a file for writing while its lease is held gets the asker no signal, not even a handled one") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  testing::signal_pipe held;
  testing::signal_pipe go_on;
  testing::child_process asker([&] { return settle_with_a_stop(place / "case", false, held, go_on); });
  held.receive();
  // O_NONBLOCK: the lease is being broken, and the signal sent, when this returns.
  const int refused = ::open((place / "case/file").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  CHECK(refused < 0);
  CHECK(errno == EWOULDBLOCK);
  go_on.send();
  CHECK(asker.wait() == 10);
}

TEST_CASE("a SIGURG of the program's own that comes while a lease is held is delivered") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  testing::signal_pipe held;
  testing::signal_pipe go_on;
  testing::child_process asker([&] { return settle_with_a_stop(place / "case", true, held, go_on); });
  held.receive();
  asker.signal(SIGURG);
  go_on.send();
  CHECK(asker.wait() == 11);
}

TEST_CASE("a SIGURG that was pending before the question is pending after it") {
  testing::scratch_directory place;
  put_file(place / "file");
  testing::child_process child([&] {
    sigset_t set{};
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGURG);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::raise(SIGURG);
    {
      const testing::held_open file(place / "file", O_RDONLY);
      const lockkit::platform::lease_probe probe;
      std::error_code ec;
      if (probe.ask(file.fd(), ec) != lockkit::platform::writers::none) return 1;
    }
    sigset_t pending{};
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGURG) == 1 ? 0 : 2;
  });
  CHECK(child.wait() == 0);
}
#endif
