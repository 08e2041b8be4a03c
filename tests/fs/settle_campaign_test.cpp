// Copiers that do anything in any order, in processes of their own, against the service.
//
// A copier never leaves its directory without protection for as long as the quiet time: something happens, or a file is
// open for writing, or a name says that it is not finished. It measures that; where a slow machine made a gap, the case
// proves nothing and is not counted. Until it raises its flag its directory must not be told as settled, and after
// that it must be.
#include <lockkit/settle.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <random>

#include "fs/settle_support.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"

using testing::news;
using testing::put_file;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;
using steady = std::chrono::steady_clock;

namespace {

constexpr auto quiet = 40ms;
constexpr std::size_t copiers = 3;

struct case_state {
  std::atomic<bool> finished;  ///< the last thing is about to be done
  std::atomic<bool> slow;
};

/// In memory that the copiers share with the test.
class blackboard {
 public:
  explicit blackboard(std::size_t cases)
      : size_(cases * sizeof(case_state)),
        states_(static_cast<case_state*>(
            ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    for (std::size_t i = 0; i < cases; ++i) new (&states_[i]) case_state{};
  }
  ~blackboard() { ::munmap(states_, size_); }
  blackboard(const blackboard&) = delete;
  blackboard& operator=(const blackboard&) = delete;
  case_state& operator[](std::size_t i) const { return states_[i]; }

 private:
  std::size_t size_;
  case_state* states_;
};

class copier {
 public:
  copier(fs::path directory, fs::path staging, case_state& state, unsigned seed)
      : directory_(std::move(directory)), staging_(std::move(staging)), state_(state), random_(seed) {}

  void run() {
    act([&] { fs::create_directories(directory_); });
    const int steps = between(3, 9);
    for (int i = 0; i < steps; ++i) {
      one_of_many();
      std::this_thread::sleep_for(std::chrono::microseconds(between(0, 25000)));
    }
    act([&] {
      state_.finished = true;
      put_file(fresh("last"));
    });
  }

 private:
  int between(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }

  /// One thing that the service must notice. Between the beginnings of two there is no quiet time, or it is noted.
  template <class Action>
  void act(Action action) {
    const auto began = steady::now();
    action();
    if (steady::now() - unprotected_since_ >= quiet) state_.slow = true;
    unprotected_since_ = began;
  }

  /// While something says "not finished" nothing has to happen.
  void pause_protected() {
    if (steady::now() - unprotected_since_ >= quiet) state_.slow = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(between(0, 100)));
    unprotected_since_ = steady::now();
  }

  fs::path folder() {
    fs::path path = directory_;
    for (int depth = between(0, 3); depth > 0; --depth) path /= std::string(1, static_cast<char>('a' + between(0, 2)));
    return path;
  }
  fs::path fresh(const std::string& stem) { return folder() / (stem + std::to_string(++count_)); }
  const fs::path& some_file() {
    if (files_.empty()) {
      files_.push_back(fresh("file"));
      act([&] { put_file(files_.back()); });
    }
    return files_[static_cast<std::size_t>(between(0, static_cast<int>(files_.size()) - 1))];
  }

  void one_of_many() {
    switch (between(0, 8)) {
      case 0:
        return act([&] { fs::create_directories(fresh("directory")); });
      case 1:
        return act([&] { put_file(files_.emplace_back(fresh("file"))); });
      case 2:
        return write_slowly(some_file());
      case 3:
        return write_mapped(some_file());
      case 4:
        return through_name(fresh("file"), ".part");
      case 5:
        return through_rsync_name();
      case 6:
        return act([&, file = some_file()] { fs::last_write_time(file, fs::file_time_type() + 1s * ++count_); });
      case 7:
        return move_in();
      default:
        return act([&] {
          const fs::path passing = fresh("passing");
          put_file(passing);
          fs::remove(passing);
        });
    }
  }

  void write_slowly(const fs::path& file) {
    const testing::held_open out(file, O_WRONLY | O_APPEND);
    for (int i = between(1, 3); i > 0; --i) {
      pause_protected();
      if (::write(out.fd(), "more", 4) != 4) throw std::runtime_error("cannot write");
    }
    unprotected_since_ = steady::now();
  }

  void write_mapped(const fs::path& file) {
    void* mapped = MAP_FAILED;
    {
      const testing::held_open both(file, O_RDWR);
      mapped = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, both.fd(), 0);
    }
    static_cast<char*>(mapped)[0] = 'A';
    pause_protected();
    static_cast<char*>(mapped)[0] = 'B';
    ::munmap(mapped, 1);
  }

  void through_name(const fs::path& file, const std::string& suffix) {
    fs::path temporary = file;
    temporary += suffix;
    act([&] { put_file(temporary); });
    pause_protected();
    act([&] { fs::rename(temporary, files_.emplace_back(file)); });
  }

  void through_rsync_name() {
    const fs::path file = fresh("file");
    const fs::path temporary = file.parent_path() / ("." + file.filename().string() + ".Ab3xYz");
    act([&] { put_file(temporary); });
    pause_protected();
    act([&] { fs::rename(temporary, files_.emplace_back(file)); });
  }

  void move_in() {
    const fs::path outside = staging_ / std::to_string(++count_);
    put_file(outside / "deep/inner.part");
    const fs::path inside = fresh("moved");
    act([&] {
      fs::create_directories(inside.parent_path());
      fs::rename(outside, inside);
    });
    pause_protected();
    act([&] { fs::rename(inside / "deep/inner.part", files_.emplace_back(inside / "deep/inner")); });
  }

  fs::path directory_;
  fs::path staging_;
  case_state& state_;
  std::mt19937 random_;
  std::vector<fs::path> files_;
  int count_ = 0;
  steady::time_point unprotected_since_ = steady::now();
};

std::string name_of(std::size_t number) {
  return "case" + std::to_string(number);
}

/// One process: every `copiers`-th case, one after the other.
int copy_all(const testing::scratch_directory& place, const blackboard& states, std::size_t first, std::size_t cases,
             unsigned seed) {
  for (std::size_t number = first; number < cases; number += copiers) {
    copier(place / "parent" / name_of(number), place / "staging" / name_of(number), states[number],
           seed + static_cast<unsigned>(number))
        .run();
  }
  return 0;
}

void run_campaign([[maybe_unused]] bool with_events) {
  const char* const long_run = std::getenv("LOCKKIT_TEST_LONG");
  const std::size_t cases = long_run == nullptr ? 15 : 600;
  const unsigned seed = long_run == nullptr ? 1 : std::random_device()();
  testing::scratch_directory place(testing::memory_directory());
  fs::create_directory(place / "parent");
  const blackboard states(cases);
  std::vector<testing::child_process> processes;
  testing::signal_pipe start;
  for (std::size_t i = 0; i < copiers; ++i) {
    processes.emplace_back([&, i] { return start.receive(), copy_all(place, states, i, cases, seed); });
  }
  std::vector<std::size_t> early;  // only the service's thread writes it, until it has ended
#if defined(LOCKKIT_FAULT_INJECTION)
  if (!with_events) fault::arm({.what = fault::action::fail, .name = "inotify_init1", .error = EMFILE});
#endif
  testing::running_service service(place / "parent", testing::quiet_for(quiet), [&](const news& item) {
    if (item.what != news::kind::settled) return;
    const std::size_t number = std::stoul(item.name.substr(4));
    if (!states[number].finished) early.push_back(number);
  });
  for (std::size_t i = 0; i < copiers; ++i) start.send();
  for (auto& process : processes) CHECK(process.wait() == 0);
  std::size_t proofs = 0;
  for (std::size_t number = 0; number < cases; ++number) {
    service.await(news::kind::settled, name_of(number));
    if (!states[number].slow) ++proofs;
  }
  CHECK_FALSE(service.stop());
  std::erase_if(early, [&](std::size_t number) { return states[number].slow.load(); });
  INFO("seed " << seed);
  CHECK(early == std::vector<std::size_t>());
  if (proofs < cases / 2) WARN("a slow machine: only " << proofs << " of " << cases << " cases prove something");
}

}  // namespace

TEST_CASE("copiers do anything in any order, and none is told as settled before it has finished") {
  run_campaign(true);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("copiers do anything in any order, and without events, too, none is told before it has finished") {
  run_campaign(false);
  fault::disarm();
}
#endif
