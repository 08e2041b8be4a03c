#include "tooling/spawn.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace tooling {
namespace {

class file_actions {
 public:
  file_actions() { ::posix_spawn_file_actions_init(&actions_); }
  ~file_actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  file_actions(const file_actions&) = delete;
  file_actions& operator=(const file_actions&) = delete;

  /// Files before copies of descriptors, which may take their place.
  void describe(const spawn_request& wanted) {
    constexpr int append = O_WRONLY | O_CREAT | O_APPEND;
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, wanted.output.c_str(), append, 0666);
    ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, wanted.errors.c_str(), append, 0666);
    int first_free = STDERR_FILENO + 1;
    for (const auto& [ours, theirs] : wanted.descriptors) {
      ::posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
      first_free = std::max(first_free, theirs + 1);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_free);
    if (!wanted.directory.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, wanted.directory.c_str());
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class attributes {
 public:
  explicit attributes(bool new_session) {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    const int session = new_session ? POSIX_SPAWN_SETSID : 0;
    ::posix_spawnattr_setflags(&attributes_,
                               static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | session));
  }
  ~attributes() { ::posix_spawnattr_destroy(&attributes_); }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

/// Ours, changed.
std::vector<std::string> environment_for(const spawn_request& wanted) {
  std::vector<std::string> result;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string entry = *each;
    const std::string name = entry.substr(0, entry.find('='));
    const bool withheld =
        std::ranges::any_of(wanted.withheld, [&](const std::string& beginning) { return name.starts_with(beginning); });
    if ((!withheld || name == wanted.but) && !wanted.environment.contains(name)) result.push_back(entry);
  }
  for (const auto& [name, value] : wanted.environment) result.emplace_back(name).append("=").append(value);
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& each : texts) result.push_back(each.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

pid_t spawn(const spawn_request& wanted, std::error_code& ec) {
  std::vector<std::string> arguments = wanted.arguments;
  std::vector<std::string> environment = environment_for(wanted);
  file_actions actions;
  actions.describe(wanted);
  const attributes how(wanted.new_session);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, arguments.front().c_str(), actions.get(), how.get(),
                                   pointers_to(arguments).data(), pointers_to(environment).data());
  ec.assign(error, std::system_category());
  return error == 0 ? child : -1;
}

}  // namespace tooling
