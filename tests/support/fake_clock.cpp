#include "fake_clock.hpp"

#include <cstdlib>

namespace fs = std::filesystem;

namespace testing {

std::optional<fs::path> find_faketime() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return std::nullopt;  // a sanitizer must be loaded first itself
#endif
  for (const auto& folder : fs::directory_iterator("/usr/lib")) {
    const fs::path library = folder.path() / "faketime" / "libfaketime.so.1";
    std::error_code ignored;
    if (fs::exists(library, ignored)) return library;
  }
  return std::nullopt;
}

fake_clock::fake_clock(fs::path library) : library_(std::move(library)) {
  step("+0s");
}

void fake_clock::step(const fs::path& folder, const std::string& offset) {
  write_file(folder / "next", offset + "\n");
  fs::rename(folder / "next", folder / "offset");
}

void fake_clock::wear() const {
  ::setenv("LD_PRELOAD", library_.c_str(), 1);
  ::setenv("FAKETIME_TIMESTAMP_FILE", (place_ / "offset").c_str(), 1);
  ::setenv("FAKETIME_NO_CACHE", "1", 1);
  ::setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
}

void fake_clock::clean_up_after(int pid) {
  const std::string number = std::to_string(pid);
  std::error_code ignored;
  fs::remove("/dev/shm/faketime_shm_" + number, ignored);
  fs::remove("/dev/shm/sem.faketime_sem_" + number, ignored);
}

}  // namespace testing
