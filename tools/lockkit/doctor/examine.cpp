#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "doctor/examination.hpp"
#include "doctor/scratch.hpp"

namespace lockkit_command {
namespace {

namespace fs = std::filesystem;

/// Removed with everything in it. No signal ends us in between.
class place_of_probes {
 public:
  place_of_probes(const fs::path& directory, std::error_code& ec) {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &before_);
    std::string name = directory / ".lockkit-doctor-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
    ec = path_.empty() ? std::error_code(errno, std::system_category()) : std::error_code();
  }
  ~place_of_probes() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  place_of_probes(const place_of_probes&) = delete;
  place_of_probes& operator=(const place_of_probes&) = delete;
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
  sigset_t before_{};
};

/// The mount that the path lies in: the longest mount point before it, of several there the last.
std::string filesystem_name(const fs::path& directory) {
  std::error_code ec;
  const std::string path = fs::canonical(directory, ec).native() + "/";
  std::ifstream mounts("/proc/self/mountinfo");
  std::string name = "unknown";
  std::size_t longest = 0;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string point;
    for (int i = 0; i < 5; ++i) words >> point;
    if (point.back() != '/') point += '/';
    const std::size_t rest = line.find(" - ");
    if (!path.starts_with(point) || point.size() < longest || rest == std::string::npos) continue;
    longest = point.size();
    std::istringstream(line.substr(rest + 3)) >> name;
  }
  return name;
}

std::vector<promise> nothing_holds(const std::error_code& ec) {
  return {{"locks exclude", verdict::refuses, ec.message()},
          {"readers see old or new content", verdict::refuses, ec.message()}};
}

}  // namespace

examination examine(const fs::path& directory) {
  examination found;
  found.filesystem = filesystem_name(directory);
  const place_of_probes place(directory, found.error);
  if (found.error) {
    found.promises = nothing_holds(found.error);
    return found;
  }
  found.probes = probe_filesystem(place.path());
  found.promises = judge_promises(place.path(), found.probes);
  return found;
}

}  // namespace lockkit_command
