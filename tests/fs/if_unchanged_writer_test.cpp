/// Publishing against any rival, while a writer has the file itself open.
///
/// Seen to fail: with the comparison of the displaced file before the question who has it open for writing.
#include <fcntl.h>
#include <unistd.h>

#include <lockkit/if_unchanged.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/stopped_process.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

using lockkit::file_version;
using lockkit::publish_if_unchanged;
using lockkit::rivals;
using lockkit::unchanged_result;
using lockkit::version_of;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

namespace fs = std::filesystem;

/// Has the file open from the beginning, writes when told to, and closes it then.
class open_writer {
 public:
  explicit open_writer(const fs::path& file)
      : child_([&] {
          std::error_code ec;
          auto fd = lockkit::platform::open_at(AT_FDCWD, file.c_str(), O_WRONLY, 0, ec);
          opened_.send();
          write_.receive();
          const bool wrote = ::write(fd.get(), "NEW", 3) == 3;
          fd.reset();
          return wrote ? 0 : 1;
        }) {
    opened_.receive();
  }
  int finish() {
    write_.send();
    return child_.wait();
  }

 private:
  testing::signal_pipe opened_;
  testing::signal_pipe write_;
  testing::child_process child_;
};

int publish_ours(const fs::path& file, const file_version& version) {
  return static_cast<int>(publish_if_unchanged(file, "ours", version, {.against = rivals::any}).result);
}

/// A publication in another process that stops before its N-th call.
testing::stopped_process stopped_update(const fs::path& file, int nth) {
  return {"", static_cast<std::uint64_t>(nth), [&, version = version_of(file)] { return publish_ours(file, version); }};
}

int calls_beside_a_writer(const fs::path& file) {
  open_writer rival(file);
  testing::child_process counting([&, version = version_of(file)] {
    fault::start_recording();
    publish_ours(file, version);
    return static_cast<int>(fault::stop_recording().size());
  });
  const int calls = counting.wait();
  CHECK(rival.finish() == 0);
  return calls;
}

}  // namespace

TEST_CASE("who has the file open at the exchange is noticed, at whatever moment he writes and closes it") {
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path f = place / "f";
  write_file(f, "old");
  publish_if_unchanged(f, "old", version_of(f));  // the lock's file is there from now on
  const int calls = calls_beside_a_writer(f);
  for (int i = 1; i <= calls; ++i) {
    write_file(f, "old");
    open_writer rival(f);
    auto stopped = stopped_update(f, i);
    INFO("writes before call " << i << " of " << calls);
    CHECK(rival.finish() == 0);
    CHECK(stopped.go_on() == static_cast<int>(unchanged_result::changed));
    CHECK(read_file(f) == "NEW");
  }
}

#endif
