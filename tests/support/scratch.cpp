#include "support/scratch.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/process.hpp"

namespace testing {

namespace fs = std::filesystem;

fs::path memory_directory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fs::temp_directory_path();
}

scratch_directory::scratch_directory(const fs::path& base) {
  const char* chosen = std::getenv("LOCKKIT_TEST_DIRECTORY");
  const fs::path usual = base.empty() ? fs::temp_directory_path() : base;
  std::string name = ((chosen != nullptr ? fs::path(chosen) : usual) / "lockkit-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::set<std::string> scratch_directory::names() const {
  std::set<std::string> result;
  for (const auto& entry : fs::directory_iterator(path_)) result.insert(entry.path().filename().string());
  return result;
}

namespace {

/// Sparse images cost nothing in memory but what is written to them; a container's /dev/shm can be small all the same.
fs::path place_for_images() {
  constexpr std::uintmax_t enough = std::uintmax_t{1} << 30U;
  std::error_code ec;
  return fs::space(memory_directory(), ec).available >= enough && !ec ? memory_directory() : fs::path();
}

}  // namespace

scratch_mount::scratch_mount(const std::string& kind, const std::string& options, unsigned megabytes)
    : directory_(place_for_images()) {
  fs::create_directory(path());
  if (kind == "tmpfs") {
    mounted_ = ::mount("tmpfs", path().c_str(), "tmpfs", 0, options.c_str()) == 0;
    return;
  }
  const std::string image = (directory_ / "image").string();
  std::ofstream(image).close();
  fs::resize_file(image, std::uintmax_t{megabytes} << 20U);
  const std::string force = kind == "ext4" ? "-F" : "-f";
  mounted_ = capture_program({"mkfs." + kind, "-q", force, image}).status == 0 &&
             run_program({"mount", "-o", options.empty() ? "loop" : "loop," + options, image, path().string()}) == 0;
}

scratch_mount::~scratch_mount() {
  if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

std::size_t open_descriptors() {
  // The iterator's own descriptor is counted each time alike.
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

}  // namespace testing
