#include "mirror/cache_testing.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "mirror/digest.hpp"
#include "support/scratch.hpp"

namespace testing {

namespace fs = std::filesystem;

lockkit::fetch_function brings(std::string text, int* calls) {
  return [text = std::move(text), calls](lockkit::fetch_sink& sink) {
    if (calls != nullptr) ++*calls;
    sink.write(text);
  };
}

lockkit::fetch_function forbidden() {
  return [](lockkit::fetch_sink&) { throw std::logic_error("fetched, though it was cached"); };
}

std::string content_of(const lockkit::cache_entry& entry) {
  std::string text(static_cast<std::size_t>(entry.size()) + 1, '\0');
  const ssize_t n = ::pread(entry.native_handle(), text.data(), text.size(), 0);
  if (n < 0) throw std::runtime_error("cannot read the entry");
  text.resize(static_cast<std::size_t>(n));
  return text;
}

std::error_code code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& failure) {
    return failure.code();
  }
  return {};
}

std::set<std::string> files_of_cache(const fs::path& cache) {
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(cache)) {
    const std::string name = fs::relative(entry.path(), cache).string();
    const bool expected =
        name.starts_with("l/") || name == "gate" || name == "gate-turn" || name == "evict" || name == "CACHEDIR.TAG";
    if (!entry.is_directory() && !expected) files.insert(name);
  }
  return files;
}

fs::path only_file(const fs::path& cache, char part) {
  std::vector<fs::path> found;
  for (const std::string& name : files_of_cache(cache)) {
    if (name[0] == part && name[1] == '/') found.push_back(cache / name);
  }
  if (found.size() != 1) throw std::runtime_error("there is not exactly one file in that part of the cache");
  return found.front();
}

fs::path record_of(const fs::path& cache, const std::string& key) {
  const std::string name = lockkit::detail::sha256_of(key);
  return cache / "k" / name.substr(0, 2) / name;
}

void set_last_use(const fs::path& cache, const std::string& key, std::chrono::minutes ago) {
  fs::last_write_time(record_of(cache, key), fs::file_time_type::clock::now() - ago);
}

void damage(const fs::path& file, const std::string& text) {
  fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
  write_file(file, text);
  fs::permissions(file, fs::perms::owner_write, fs::perm_options::remove);
}

int rounds_of_stress(int usual, int thorough) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  usual /= 10;
#endif
  return std::getenv("LOCKKIT_TEST_LONG") != nullptr ? thorough : usual;
}

long long now_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void shared_log::append(const std::string& line) const {
  const std::string text = line + "\n";
  const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written) throw std::runtime_error("cannot write the log");
}

std::vector<std::string> shared_log::lines() const {
  std::vector<std::string> result;
  std::istringstream text(read_file(file_));
  for (std::string line; std::getline(text, line);) result.push_back(line);
  return result;
}

}  // namespace testing
