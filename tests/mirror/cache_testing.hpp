#pragma once
/// What the tests of the cache share.

#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <lockkit/mirror_cache.hpp>

namespace testing {

/// A fetch function that brings `text`; counts its calls in `calls` if given.
lockkit::fetch_function brings(std::string text, int* calls = nullptr);
/// One that must not be called.
lockkit::fetch_function forbidden();

/// Read through the entry's descriptor.
std::string content_of(const lockkit::cache_entry& entry);

/// The code of the lockkit::error or system_error that `call` throws; clear if it throws none.
std::error_code code_of(const std::function<void()>& call);

/// Contents, records and everything unexpected in a cache, relative to it: without locks, gate, tag, directories.
std::set<std::string> files_of_cache(const std::filesystem::path& cache);
/// The only file of part 'b' or 'k'; throws if there is not exactly one.
std::filesystem::path only_file(const std::filesystem::path& cache, char part);
/// The file of a key's record.
std::filesystem::path record_of(const std::filesystem::path& cache, const std::string& key);
/// Makes a key look as though it had been used so long ago.
void set_last_use(const std::filesystem::path& cache, const std::string& key, std::chrono::minutes ago);
/// Overwrites a read-only file of the cache in place, as a program that writes through a hard link does.
void damage(const std::filesystem::path& file, const std::string& text);

/// So many rounds usually, a tenth under a sanitizer, and `thorough` when LOCKKIT_TEST_LONG is set.
int rounds_of_stress(int usual = 500, int thorough = 10'000);
/// Monotonic, comparable between processes.
long long now_ns();

/// Lines that several processes append in one write each: the witness outside of the library.
class shared_log {
 public:
  explicit shared_log(std::filesystem::path file) : file_(std::move(file)) {}
  void append(const std::string& line) const;
  std::vector<std::string> lines() const;

 private:
  std::filesystem::path file_;
};

}  // namespace testing
