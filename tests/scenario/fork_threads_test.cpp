/// Rows 11, 21, 26 with threads: a child whose threads reach for an inherited object at once. Whichever comes first
/// must give up the parent's descriptor, and with it the parent's lock, before any other may use it. Seen to fail: with
/// threads passing as soon as one of them has begun to forget (as it was first).
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

namespace fault = lockkit::platform::fault;

TEMPLATE_TEST_CASE("no thread of a forked child uses an inherited lock before it was given up", "", lockkit::lock_file,
                   lockkit::file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe parked;
  testing::signal_pipe resume;
  testing::signal_pipe go;
  testing::signal_pipe passed;
  TestType lock(place / "l");
  lock.lock();
  testing::child_process child([&] {
    fault::arm({.what = fault::action::stop,
                .name = "process_mark.renewing",
                .announce_fd = parked.write_end(),
                .resume_fd = resume.read_end()});
    bool stolen = false;
    std::thread first([&] { stolen = lock.try_lock(); });
    go.receive();
    const bool stolen_too = lock.try_lock();
    passed.send();
    first.join();
    return stolen || stolen_too ? 1 : 0;
  });
  parked.receive();
  go.send();
  CHECK_FALSE(passed.ready(50));
  resume.send();
  passed.receive();
  CHECK(child.wait() == 0);
}
