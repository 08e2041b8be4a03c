#include "scenario/contender.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stdexcept>

#include <lockkit/lock_file.hpp>

#include "platform/fault.hpp"

namespace testing {

namespace fault = lockkit::platform::fault;

struct contender::order {
  char what = 0;
  parking where;
  std::chrono::milliseconds patience{};
};

namespace {

char try_to_lock(lockkit::lock_file& lock, std::chrono::milliseconds patience) {
  std::error_code ec;
  const bool held = lock.try_lock_until(lockkit::deadline::after(patience), ec);
  if (ec) std::fprintf(stderr, "contender: %s\n", ec.message().c_str());
  return static_cast<char>(ec ? event::failed : held ? event::held : event::refused);
}

char unlock(lockkit::lock_file& lock) {
  lock.unlock();
  return static_cast<char>(lock.lost() ? event::lost : event::released);
}

char look(lockkit::lock_file& lock) {
  std::error_code ec;
  const lockkit::verify_result found = lock.verify(ec);
  if (ec) return static_cast<char>(event::failed);
  if (found == lockkit::verify_result::held) return static_cast<char>(event::held);
  return static_cast<char>(found == lockkit::verify_result::restored ? event::restored : event::lost);
}

}  // namespace

contender::contender(const std::filesystem::path& path, lockkit::detail::plant_method method,
                     const std::vector<const char*>& broken)
    : process_([&] {
        for (const char* rule : broken) fault::break_rule(rule);
        return serve(path, method);
      }) {}

int contender::serve(const std::filesystem::path& path, lockkit::detail::plant_method method) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // its siblings hold the pipes' other ends: they would not tell
  lockkit::lock_file lock(path);
  lockkit::detail::lock_file_internals::use_plant(lock, method);
  for (order next; ::read(orders_.read_end(), &next, sizeof next) == sizeof next;) {
    if (next.where.nth != 0) {
      fault::arm({.what = fault::action::stop,
                  .name = next.where.name,
                  .nth = next.where.nth,
                  .announce_fd = events_.write_end(),
                  .resume_fd = resume_.read_end()});
    }
    const char result = next.what == 'a'   ? try_to_lock(lock, next.patience)
                        : next.what == 'r' ? unlock(lock)
                                           : look(lock);
    fault::disarm();
    events_.send(result);
  }
  return 0;
}

void contender::send(const order& what) const {
  if (::write(orders_.write_end(), &what, sizeof what) != sizeof what) throw std::runtime_error("contender is gone");
}

void contender::begin_acquire(std::chrono::milliseconds patience, parking where) {
  send({'a', where, patience});
}

event contender::outcome() {
  return event{events_.receive()};
}

event contender::acquire(std::chrono::milliseconds patience, parking where) {
  begin_acquire(patience, where);
  return outcome();
}

event contender::release(parking where) {
  send({'r', where, {}});
  return outcome();
}

event contender::verify() {
  send({'v', {}, {}});
  return outcome();
}

event contender::resume() {
  resume_.send();
  return outcome();
}

}  // namespace testing
