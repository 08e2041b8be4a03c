#include <fcntl.h>
#include <sys/file.h>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "naked.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace benchmark {
namespace {

using lockkit::file_mutex;
using lockkit::lock_file;

template <class Lock>
void cycle(Lock& lock) {
  lock.lock();
  lock.unlock();
}

void cycle_shared(file_mutex& mutex) {
  mutex.lock_shared();
  mutex.unlock_shared();
}

void lock_file_rows(const row_options& options) {
  const std::string naked = options.directory / "naked.lock";
  const std::string path = options.directory / "lock_file.lock";
  lock_file kept(path);
  print_table("lock_file",
              compare({{"open(O_CREAT\\|O_EXCL), close, unlink (floor)", [&] { exclusive_creation(naked.c_str()); }},
                       {"lock_file kept", [&] { cycle(kept); }, goal{options.in_memory ? 1.15 : 1.0}},
                       {"lock_file one-shot",
                        [&] {
                          lock_file once(path);
                          cycle(once);
                        }}},
                      options.budget));
}

void file_mutex_rows(const row_options& options) {
  const std::string naked = options.directory / "naked.mutex";
  const std::string path = options.directory / "file_mutex";
  const int fd = open_or_create(naked.c_str());
  file_mutex kept(path);
  const auto once = [&](auto use) {
    file_mutex mutex(path);
    use(mutex);
  };
  print_table("file_mutex", compare({{"open, flock, close (floor)", [&] { open_flock_close(naked.c_str(), LOCK_EX); }},
                                     {"naked flock, unlock, descriptor kept", [&] { flock_unlock(fd, LOCK_EX); }},
                                     {"file_mutex kept, exclusive", [&] { cycle(kept); }, goal{1.5}},
                                     {"file_mutex kept, shared", [&] { cycle_shared(kept); }, goal{1.5}},
                                     {"file_mutex one-shot, exclusive", [&] { once(cycle<file_mutex>); }},
                                     {"file_mutex one-shot, shared", [&] { once(cycle_shared); }}},
                                    options.budget));
}

template <class Lock>
turn_taker take_turns_with(const std::string& path) {
  auto lock = std::make_shared<Lock>(path);
  return {[lock] { lock->lock(); }, [lock] { lock->unlock(); }};
}

turn_taker bare_flock(const std::string& path) {
  const int fd = open_or_create(path.c_str());
  return {[fd] { checked(::flock(fd, LOCK_EX), "flock"); }, [fd] { checked(::flock(fd, LOCK_UN), "flock"); }};
}

turn_taker protocol_with_blocking_flock(const std::string& path) {
  auto protocol = std::make_shared<blocking_protocol>(path);
  return {[protocol] { protocol->acquire(); }, [protocol] { protocol->release(); }};
}

}  // namespace

void lock_rows(const row_options& options) {
  lock_file_rows(options);
  file_mutex_rows(options);
}

void handoff_rows(const row_options& options) {
  const auto in = [&](const char* name) { return (options.directory / name).string(); };
  const std::vector<handoff_variant> variants = {
      {"lock_file's steps with a blocking flock (floor)", [&] { return protocol_with_blocking_flock(in("blocking")); }},
      {"lock_file", [&] { return take_turns_with<lock_file>(in("lock_file")); }, goal{1.5}},
      {"bare flock", [&] { return bare_flock(in("bare")); }},
      {"file_mutex", [&] { return take_turns_with<file_mutex>(in("file_mutex")); }}};
  for (const int processes : {2, 4, 8, 16}) {
    print_table(processes, compare_handoffs(variants, processes, options.budget));
  }
}

}  // namespace benchmark
