#include "support/record_locker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stdexcept>

namespace testing {
namespace {

bool obey(int fd, record_order order) {
  struct flock lock{};
  lock.l_type = order == record_order::unlock ? F_UNLCK : order == record_order::try_shared ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = order == record_order::try_first_byte ? 1 : 0;
  return ::fcntl(fd, order == record_order::wait_exclusive ? F_SETLKW : F_SETLK, &lock) == 0;
}

}  // namespace

record_locker::record_locker(const std::filesystem::path& file) : process_([&] { return serve(file); }) {
  if (!outcome()) throw std::runtime_error("record_locker: no such file");
}

int record_locker::serve(const std::filesystem::path& file) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // its siblings hold the pipes' other ends: they would not tell
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  answers_->send(fd < 0 ? 'n' : 'y');
  for (char order = 0; ::read(orders_->read_end(), &order, 1) == 1;) {
    answers_->send(obey(fd, record_order{order}) ? 'y' : 'n');
  }
  return 0;
}

void record_locker::begin(record_order order) const {
  orders_->send(static_cast<char>(order));
}

bool record_locker::outcome() const {
  return answers_->receive() == 'y';
}

bool record_locker::tell(record_order order) const {
  begin(order);
  return outcome();
}

}  // namespace testing
