#include <unistd.h>

#include <boost/interprocess/sync/file_lock.hpp>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "scenario/peer.hpp"

namespace testing {
namespace {

using give_back = std::function<void()>;

/// Empty: refused.
template <class Lock>
give_back enter(std::shared_ptr<Lock> lock) {
  if (!lock->try_lock()) return {};
  return [lock] { lock->unlock(); };
}

give_back enter(const std::string& kind, const std::string& path) {
  if (kind == "lock_file") return enter(std::make_shared<lockkit::lock_file>(path));
  if (kind == "keep_out") {
    return enter(
        std::make_shared<lockkit::lock_file>(path, lockkit::lock_options{.excludes = lockkit::keep_out::everyone}));
  }
  if (kind == "file_mutex") return enter(std::make_shared<lockkit::file_mutex>(path));
  std::ofstream(path, std::ios::app);  // Boost locks files that are there
  return enter(std::make_shared<boost::interprocess::file_lock>(path.c_str()));
}

std::string answer(const std::string& line, std::map<std::string, give_back>& held) try {
  std::istringstream words(line);
  std::string kind, verb, path;
  words >> kind >> verb >> path;
  if (verb == "leave") {
    held.extract(path).mapped()();
    return "left";
  }
  give_back got = enter(kind, path);
  if (!got) return "out";
  held[path] = std::move(got);
  return "in";
} catch (const std::exception&) {
  return "error";
}

}  // namespace

int obey_as_peer() {
  std::map<std::string, give_back> held;
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(line, held) << '\n' << std::flush;
  return 0;
}

}  // namespace testing
