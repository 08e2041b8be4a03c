#include "scenario/mixed_arena.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace testing {

namespace fs = std::filesystem;

namespace {

std::uint64_t read_number(const fs::path& file) {
  return std::strtoull(read_file(file).c_str(), nullptr, 10);
}

/// In place and in one write: a process killed meanwhile has added one or not.
void add_one(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  char text[32] = {};
  if (fd < 0 || ::pread(fd, text, sizeof text - 1, 0) < 0) throw std::runtime_error("cannot read the count");
  const int length = std::snprintf(text, sizeof text, "%-20llu\n", std::strtoull(text, nullptr, 10) + 1);
  if (::pwrite(fd, text, static_cast<std::size_t>(length), 0) != length) throw std::runtime_error("no count");
  ::close(fd);
}

std::string link_target(const fs::path& link) {
  char target[NAME_MAX + 1];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<std::size_t>(length));
}

std::string name_of(std::uint32_t life) {
  return "life-" + std::to_string(life);
}

}  // namespace

mixed_arena::mixed_arena(const fs::path& base) : place_(base) {
  write_file(place_ / "count", "0\n");
}

void mixed_arena::add_program(const std::string& name, const std::vector<std::string>& arguments) {
  programs_.emplace(name, child_process([arguments] {
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

void mixed_arena::add(const std::string& name, const visit& how) {
  if (residents_.size() == most_residents) throw std::runtime_error("mixed_arena: too many residents");
  residents_.push_back({.name = name, .how = how});
  start(residents_.size() - 1);
}

void mixed_arena::start(std::size_t index) {
  resident& one = residents_[index];
  one.life = ++state_->last_life;
  one.process.emplace([this, index, life = one.life] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    live(index, life);
    return 0;
  });
}

void mixed_arena::live(std::size_t index, std::uint32_t life) {
  life_ = life;
  life_pid_ = ::getpid();
  const visit how = residents_[index].how;
  tally& mine = state_->tallies[index];
  while (!fs::exists(place_ / "stop")) how([&] { take_turn(mine); });
}

void mixed_arena::take_turn(tally& mine) {
  if (life_pid_ != ::getpid()) {  // forked meanwhile: another life
    life_pid_ = ::getpid();
    life_ = ++state_->last_life;
  }
  const std::string me = name_of(life_);
  enter(me);
  ++mine.begun;
  add_one(place_ / "count");
  ++mine.done;
  leave(me);
}

void mixed_arena::enter(const std::string& me) const {
  const fs::path marker = place_ / "entered";
  while (::symlink(me.c_str(), marker.c_str()) != 0) {
    const std::string who = link_target(marker);
    if (!fs::exists(place_ / ("dead." + who))) return report(me + " met " + who);
    ::unlink(marker.c_str());
  }
}

void mixed_arena::leave(const std::string& me) const {
  const fs::path marker = place_ / "entered";
  const std::string who = link_target(marker);
  if (who != me) return report(me + " leaves, and met " + who);
  ::unlink(marker.c_str());
}

void mixed_arena::report(const std::string& what) const {
  std::ofstream(place_ / "overlaps", std::ios::app) << what << '\n';
}

fs::path mixed_arena::death_notice(std::uint32_t life) const {
  return place_ / ("dead." + name_of(life));
}

void mixed_arena::kill_one(std::size_t dice) {
  const std::size_t index = dice % residents_.size();
  const std::uint32_t life = residents_[index].life;
  write_file(death_notice(life), "");
  residents_[index].process.reset();  // kills and reaps
  // Nobody names a dead life any more but the marker, if it is that life's.
  if (link_target(place_ / "entered") != name_of(life)) fs::remove(death_notice(life));
  start(index);
}

void mixed_arena::freeze_one(std::size_t dice, std::chrono::microseconds time) {
  const child_process& process = *residents_[dice % residents_.size()].process;
  process.signal(SIGSTOP);
  std::this_thread::sleep_for(time);
  process.signal(SIGCONT);
}

bool mixed_arena::reached(std::uint64_t all, std::uint64_t each) const {
  std::uint64_t sum = 0;
  std::uint64_t least = all;
  for (const auto& [name, number] : turns()) {
    sum += number;
    least = std::min(least, number);
  }
  return sum >= all && least >= each;
}

bool mixed_arena::run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience,
                      const std::function<void()>& meanwhile) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!reached(all, each)) {
    if (std::chrono::steady_clock::now() > end || !overlaps().empty()) return false;
    meanwhile();
  }
  return true;
}

bool mixed_arena::run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience) {
  return run(all, each, patience, [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
}

int mixed_arena::stop() {
  write_file(place_ / "stop", "");
  int failed = 0;
  for (auto& [name, process] : programs_) failed += process.wait() != 0 ? 1 : 0;
  for (resident& one : residents_) failed += one.process->wait() != 0 ? 1 : 0;
  alive_.close_write();
  char byte = 0;
  while (::read(alive_.read_end(), &byte, 1) > 0) continue;
  return failed;
}

std::map<std::string, std::uint64_t> mixed_arena::turns() const {
  std::map<std::string, std::uint64_t> result;
  for (const auto& [name, process] : programs_) result[name] = read_number(place_ / ("turns." + name));
  for (std::size_t i = 0; i < residents_.size(); ++i) result[residents_[i].name] = state_->tallies[i].done;
  return result;
}

bool mixed_arena::count_is_right() const {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  for (const auto& [name, process] : programs_) least += read_number(place_ / ("turns." + name));
  most = least;
  for (std::size_t i = 0; i < residents_.size(); ++i) {
    least += state_->tallies[i].done;
    most += state_->tallies[i].begun;
  }
  const std::uint64_t count = read_number(place_ / "count");
  return least <= count && count <= most;
}

std::string mixed_arena::overlaps() const {
  return read_file(place_ / "overlaps");
}

}  // namespace testing
