/// Who excludes whom, observed: each kind of lock is taken by a real program or library, and each other kind then tried
/// on the same path by another process. docs/who-excludes-whom.md shows what was seen, and is compared with it.
///
/// Seen to fail: with the kernel's lock granted always, with any file at the name adopted, with a cell of the document
/// changed. (A program that lets everybody in needs no witness here: the table would show it.)
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>

#include "scenario/peer.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// What a kind looks at to see whether somebody is in.
enum class family { lockkit, existence, flock, record_lock };

struct locker {
  const char* name;
  interpreter by;
  const char* kind;
  family sees;
};

const std::vector<locker> lockers = {
    {"lockkit `lock_file`", interpreter::self, "lock_file", family::lockkit},
    {"lockkit `lock_file`, `keep_out::everyone`", interpreter::self, "keep_out", family::lockkit},
    {"lockkit `file_mutex`", interpreter::self, "file_mutex", family::flock},
    {"`flock(1)`", interpreter::bash, "flock", family::flock},
    {"Python `filelock.FileLock`", interpreter::python, "filelock", family::flock},
    {"Python `portalocker.Lock`", interpreter::python, "portalocker", family::flock},
    {"Python `zc.lockfile`", interpreter::python, "zc.lockfile", family::flock},
    {"Python `fasteners`", interpreter::python, "fasteners", family::record_lock},
    {"Boost `file_lock`", interpreter::self, "boost", family::record_lock},
    {"bash, `set -C`", interpreter::bash, "noclobber", family::existence},
    {"dash, `set -C`", interpreter::dash, "noclobber", family::existence},
    {"Python `filelock.SoftFileLock`", interpreter::python, "softfilelock", family::existence},
    {"`dotlockfile`", interpreter::bash, "dotlockfile", family::existence},
    {"procmail's `lockfile`", interpreter::bash, "lockfile", family::existence},
    {"npm `proper-lockfile`", interpreter::node, "proper-lockfile", family::existence}};

/// What lockkit's headers say.
bool is_promised(const locker& holder, const locker& contender) {
  const auto is = [](const locker& one, const char* kind) { return std::string(one.kind) == kind; };
  const auto sees_kernel_lock = [](const locker& one) {
    return one.sees == family::lockkit || one.sees == family::flock;
  };
  if (is(contender, "lock_file") || is(contender, "keep_out") || is(holder, "keep_out")) return true;
  if (is(holder, "lock_file")) return contender.sees != family::record_lock;
  if (is(holder, "file_mutex") || is(contender, "file_mutex")) {
    return sees_kernel_lock(holder) && sees_kernel_lock(contender);
  }
  return false;
}

using table = std::map<std::pair<std::size_t, std::size_t>, reply>;

/// One process for each interpreter, started once.
class side {
 public:
  reply enter(const locker& one, const fs::path& path) {
    if (one.by == interpreter::node && !has_program("node")) return reply::absent;
    return process(one).enter(one.kind, path);
  }
  void leave(const locker& one, const fs::path& path) { process(one).leave(one.kind, path); }

 private:
  peer& process(const locker& one) { return processes_.try_emplace(one.by, one.by).first->second; }

  std::map<interpreter, peer> processes_;
};

/// Nothing for those that are not installed.
table observe() {
  const scratch_directory place;
  side holders;
  side contenders;
  table seen;
  for (std::size_t h = 0; h < lockers.size(); ++h) {
    for (std::size_t c = 0; c < lockers.size(); ++c) {
      const fs::path path = place / (std::to_string(h) + "-" + std::to_string(c));
      const reply first = holders.enter(lockers[h], path);
      if (first == reply::absent) break;
      INFO(lockers[h].name << " on a path where nothing is");
      REQUIRE(first == reply::in);
      const reply second = contenders.enter(lockers[c], path);
      if (second != reply::absent) seen[{h, c}] = second;
      if (second == reply::in) contenders.leave(lockers[c], path);
      holders.leave(lockers[h], path);
    }
  }
  return seen;
}

std::string cell(const table& seen, std::size_t holder, std::size_t contender) {
  const auto found = seen.find({holder, contender});
  if (found == seen.end()) return "?";
  return found->second == reply::in ? "**in**" : found->second == reply::out ? "–" : "error";
}

std::string as_markdown(const table& seen) {
  std::ostringstream text;
  text << "| held by ↓, then tried by → |";
  for (std::size_t c = 0; c < lockers.size(); ++c) text << ' ' << c + 1 << " |";
  text << "\n|---|";
  for (std::size_t c = 0; c < lockers.size(); ++c) text << ":-:|";
  for (std::size_t h = 0; h < lockers.size(); ++h) {
    text << "\n| " << h + 1 << ' ' << lockers[h].name << " |";
    for (std::size_t c = 0; c < lockers.size(); ++c) text << ' ' << cell(seen, h, c) << " |";
  }
  text << '\n';
  return text.str();
}

/// The document with its table replaced.
std::string with_table(const std::string& document, const std::string& new_table) {
  const std::size_t begin = document.find("| held by");
  const std::size_t end = document.find("\n\n", begin);
  return document.substr(0, begin) + new_table + document.substr(end + 1);
}

}  // namespace

TEST_CASE("who excludes whom is as promised, and as the document shows it") {
  const table seen = observe();
  for (const auto& [pair, result] : seen) {
    const locker& holder = lockers[pair.first];
    const locker& contender = lockers[pair.second];
    INFO(holder.name << " holds, " << contender.name << " tries");
    if (is_promised(holder, contender)) CHECK(result != reply::in);
  }
  const std::string observed = as_markdown(seen);
  const fs::path document = LOCKKIT_DOCUMENTS "/who-excludes-whom.md";
  const std::string written = read_file(document);
  if (seen.size() < lockers.size() * lockers.size() || ::geteuid() != 0) {
    // procmail's lock file may be written by root alone: to others it is one more error
    WARN("the document was not compared: for that every program must be installed, and the test run by root\n"
         << observed);
  } else if (std::getenv("LOCKKIT_WRITE_DOCUMENTS") != nullptr) {
    write_file(document, with_table(written, observed));
  } else {
    INFO("observed otherwise than the document says; run this with LOCKKIT_WRITE_DOCUMENTS=1 to write\n" << observed);
    CHECK(written.find(observed) != std::string::npos);
  }
}
