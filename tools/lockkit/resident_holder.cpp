#include "resident_holder.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include <lockkit/lock_file.hpp>

#include "exit_code.hpp"
#include "lock_waiting.hpp"
#include "message.hpp"
#include "options.hpp"

namespace lockkit_command {
namespace {

/// Where the holder's descriptors lie; everything above is closed.
constexpr int process_fd = 3;
constexpr int answer_fd = 4;

sigset_t signals_that_end_us() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) ::sigaddset(&signals, number);
  return signals;
}

/// Rule 1.
bool detach(int process, int answer) {
  const int null = ::open("/dev/null", O_RDWR);
  // Out of the way first: what is copied below must not be overwritten before its turn.
  const int high_process = ::fcntl(process, F_DUPFD, 10);
  const int high_answer = ::fcntl(answer, F_DUPFD, 10);
  if (null < 0 || high_process < 0 || high_answer < 0 || ::setsid() < 0) return false;
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) ::dup2(null, stream);
  ::dup2(high_process, process_fd);
  ::dup2(high_answer, answer_fd);
  return ::syscall(SYS_close_range, answer_fd + 1, ~0U, 0) == 0 && ::chdir("/") == 0;
}

/// The name in the record and in `ps`.
void take_name() {
  // NOLINTNEXTLINE(*-const-cast): the C library's variable is older than const; nobody writes through it
  program_invocation_short_name = const_cast<char*>(hold_command);
  ::prctl(PR_SET_NAME, hold_command);
}

/// The kernel's struct sched_attr in its first form; its header redefines what <sched.h> defines.
struct scheduling {
  std::uint32_t size = sizeof(scheduling);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

/// Who asks for short turns is woken sooner on a busy machine (Linux 6.12): there the release came within 0.2 ms in nine
/// cases of ten, and not 9 ms. Elsewhere it changes nothing.
void ask_for_short_turns() {
  constexpr std::uint64_t turn_ns = 100'000;
  scheduling turns;
  if (::syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0) != 0 || turns.policy != SCHED_OTHER) return;
  turns.runtime = turn_ns;
  ::syscall(SYS_sched_setattr, 0, &turns, 0);
}

class resident_holder {
 public:
  resident_holder(const hold_request& request, const std::filesystem::path& path)
      : request_(request), process_(process_fd), lock_(path, how()) {
    const sigset_t signals = signals_that_end_us();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
  }

  void run() {
    const int code = acquire();
    const bool told = answer(code);
    ::close(answer_fd);
    if (code == done && told) sleep();
    lock_.unlock();
  }

 private:
  lockkit::lock_options how() {
    return {
        .label = hold_label(request_.whom, request_.label),
        .excludes = request_.keep_out_everyone ? lockkit::keep_out::everyone : lockkit::keep_out::existence_and_flock,
        .on_wait = [this](const lockkit::wait_notice& notice) {
          const auto other = parse_hold(notice.holder);
          waits_for_itself_ = other && other->pid == request_.whom.pid && !notice.foreign;
        }};
  }

  int acquire() try {
    const auto attempt = [this](lockkit::deadline until) { return lock_.try_lock_until(until); };
    switch (wait_in_pieces(lockkit::deadline::after(request_.timeout), attempt, [this] { return must_end(); })) {
      case wait_outcome::acquired:
        return done;
      case wait_outcome::timed_out:
        text_ = not_in_time_text(lock_.path(), request_.timeout);
        return not_in_time;
      case wait_outcome::given_up:
        break;
    }
    text_ = waits_for_itself_
                ? fmt::format("{} is held for pid {} already", in_quotes(lock_.path()), request_.whom.pid)
                : fmt::format("pid {} ended before {} was free", request_.whom.pid, in_quotes(lock_.path()));
    return waits_for_itself_ ? not_in_time : bad_data;
  } catch (const lockkit::error& failure) {
    text_ = failure_text(failure);
    return exit_code_for(failure.code());
  }

  bool must_end() const {
    std::array<pollfd, 3> waited = {{{process_fd, POLLIN, 0}, {signals_, POLLIN, 0}, {answer_fd, 0, 0}}};
    return waits_for_itself_ ||
           ::poll(waited.data(), waited.size(), 0) > 0;  // the third: nobody reads the answer any more
  }

  /// Rule 5: the code, and what to say.
  bool answer(int code) const {
    const std::string text = std::string(1, static_cast<char>(code)) + text_;
    return ::write(answer_fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  /// Rule 3.
  void sleep() const {
    std::array<pollfd, 2> waited = {{{process_fd, POLLIN, 0}, {signals_, POLLIN, 0}}};
    while (::poll(waited.data(), waited.size(), -1) < 0 && errno == EINTR) {
    }
  }

  const hold_request& request_;
  process_handle process_;
  bool waits_for_itself_ = false;
  std::string text_;
  int signals_ = -1;
  lockkit::lock_file lock_;
};

[[noreturn]] void become_holder(const hold_request& request, const std::filesystem::path& path, int process,
                                int answer) {
  try {
    take_name();
    ask_for_short_turns();
    if (detach(process, answer)) resident_holder(request, path).run();
  } catch (const std::exception&) {
    ::_exit(io_error);  // acquire finds no answer
  }
  ::_exit(done);
}

int read_answer(int fd, int child) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size > 0) text.append(buffer.data(), static_cast<std::size_t>(size));
    if (size == 0 || (size < 0 && errno != EINTR)) break;
  }
  if (text.empty()) {
    say("the process that was to hold the lock, pid {}, ended without an answer", child);
    return io_error;
  }
  if (text.size() > 1) say("{}", std::string_view(text).substr(1));
  return static_cast<unsigned char>(text.front());
}

}  // namespace

int start_resident_holder(const hold_request& request, const process_handle& process) {
  std::error_code ec;
  std::filesystem::path path = std::filesystem::absolute(request.path, ec);
  if (ec) path = request.path;  // the lock says what is wrong with it
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (child == 0) {
    ::close(ends[0]);
    become_holder(request, path, process.fd(), ends[1]);
  }
  ::close(ends[1]);
  const int code = read_answer(ends[0], child);
  ::close(ends[0]);
  if (code != done) ::waitpid(child, nullptr, 0);
  return code;
}

}  // namespace lockkit_command
