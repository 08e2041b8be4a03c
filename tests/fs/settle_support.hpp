#pragma once
/// What the tests of settling share: a service in a thread of its own with a log of what it told, and trees to look at.

#include <lockkit/settle.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

/// Short, and long against the resolution of clocks.
constexpr std::chrono::milliseconds quiet{60};
/// Nothing that waits for this has gone well: only a moment of the test may end it.
constexpr std::chrono::hours very_quiet{1};

lockkit::settle_options quiet_for(std::chrono::milliseconds time);
/// Makes missing parents.
void put_file(const std::filesystem::path& file, const std::string& text = "content");
/// Opened as given; the descriptor is closed at the end.
class held_open {
 public:
  held_open(const std::filesystem::path& file, int flags);
  ~held_open();
  held_open(const held_open&) = delete;
  held_open& operator=(const held_open&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// A real other process that holds `file` open for writing from construction until release().
class writing_process {
 public:
  enum class by { descriptor, mapping };
  explicit writing_process(const std::filesystem::path& file, by way = by::descriptor, unsigned user = 0);
  /// Lets it close and end, and waits for that.
  void release();

 private:
  signal_pipe opened_;
  signal_pipe leave_;
  child_process child_;
};

struct news {
  enum class kind { settled, vanished, waiting };
  kind what;
  std::string name;  ///< of the directory
  lockkit::settle_result result;
};

/// Runs the service in a thread until destroyed.
class running_service {
 public:
  /// `also` is called on the service's thread for each news, after it was logged.
  running_service(const std::filesystem::path& parent, lockkit::settle_options options,
                  std::function<void(const news&)> also = {});
  ~running_service();

  /// The next news of that kind about that name after those awaited before; throws after 60 s.
  news await(news::kind what, const std::string& name);
  /// How many have come.
  std::size_t count(news::kind what, const std::string& name) const;
  std::size_t count(news::kind what) const;
  /// Stops, and returns what run() said.
  std::error_code stop();
  /// Without asking: until run() ends by itself.
  std::error_code join();

 private:
  void log(news::kind what, const std::filesystem::path& path, const lockkit::settle_result& result);
  std::size_t count_locked(news::kind what, const std::string& name) const;

  std::function<void(const news&)> also_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<news> log_;
  std::map<std::pair<news::kind, std::string>, std::size_t> awaited_;
  lockkit::settled_directories service_;
  std::error_code result_;
  std::jthread thread_;
};

}  // namespace testing
