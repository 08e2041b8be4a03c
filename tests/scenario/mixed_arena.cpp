#include "scenario/mixed_arena.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace testing {

namespace fs = std::filesystem;

namespace {

/// 0 while somebody is just writing it.
std::uint64_t read_number(const fs::path& file) {
  return std::strtoull(read_file(file).c_str(), nullptr, 10);
}

}  // namespace

mixed_arena::mixed_arena() {
  write_file(place_ / "count", "0\n");
}

void mixed_arena::add_program(const std::string& name, const std::vector<std::string>& arguments) {
  processes_.emplace(name, child_process([arguments] {
                       ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                       std::vector<char*> pointers;
                       for (const auto& one : arguments) pointers.push_back(const_cast<char*>(one.c_str()));
                       pointers.push_back(nullptr);
                       ::execvp(pointers[0], pointers.data());
                       return 127;
                     }));
}

void mixed_arena::add_script(const std::string& name, const std::string& shell, const std::string& kind) {
  add_program(name, {shell, LOCKKIT_PARTICIPANTS "/participant.sh", kind, place_.path().string(), name});
}

void mixed_arena::add_python(const std::string& name) {
  add_program(name, {"/usr/bin/python3", LOCKKIT_PARTICIPANTS "/participant.py", place_.path().string(), name});
}

void mixed_arena::add(const std::string& name, std::function<void(const std::function<void()>&)> try_turn) {
  processes_.emplace(name, child_process([this, name, try_turn] {
                       ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                       std::uint64_t mine = 0;
                       while (!fs::exists(place_ / "stop")) {
                         bool in = false;
                         try_turn([&] {
                           take_turn(name);
                           in = true;
                         });
                         if (in) write_file(place_ / ("turns." + name), std::to_string(++mine) + "\n");
                       }
                       return 0;
                     }));
}

void mixed_arena::take_turn(const std::string& name) const {
  const fs::path marker = place_ / "entered";
  if (::mkdir(marker.c_str(), 0777) != 0) std::ofstream(place_ / "overlaps", std::ios::app) << name << '\n';
  write_file(place_ / "count", std::to_string(read_number(place_ / "count") + 1) + "\n");
  ::rmdir(marker.c_str());
}

bool mixed_arena::run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const auto reached = [&] {
    std::uint64_t sum = 0;
    std::uint64_t least = all;
    for (const auto& [name, number] : turns()) {
      sum += number;
      least = std::min(least, number);
    }
    return sum >= all && least >= each;
  };
  while (!reached()) {
    if (std::chrono::steady_clock::now() > end || !overlaps().empty()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

int mixed_arena::stop() {
  write_file(place_ / "stop", "");
  int failed = 0;
  for (auto& [name, process] : processes_) failed += process.wait() != 0 ? 1 : 0;
  return failed;
}

std::map<std::string, std::uint64_t> mixed_arena::turns() const {
  std::map<std::string, std::uint64_t> result;
  for (const auto& [name, process] : processes_) result[name] = read_number(place_ / ("turns." + name));
  return result;
}

std::uint64_t mixed_arena::count() const {
  return read_number(place_ / "count");
}

std::string mixed_arena::overlaps() const {
  return read_file(place_ / "overlaps");
}

}  // namespace testing
