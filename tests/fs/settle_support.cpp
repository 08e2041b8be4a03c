#include "fs/settle_support.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace testing {

namespace fs = std::filesystem;

lockkit::settle_options quiet_for(std::chrono::milliseconds time) {
  lockkit::settle_options options;
  options.quiet_time = time;
  return options;
}

void put_file(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file(file, text);
}

held_open::held_open(const fs::path& file, int flags) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw std::runtime_error("cannot open " + file.string());
}

held_open::~held_open() {
  ::close(fd_);
}

namespace {

int write_until_told(const fs::path& file, writing_process::by way, unsigned user, const signal_pipe& opened,
                     const signal_pipe& leave) {
  if (user != 0 && (::setgid(user) != 0 || ::setuid(user) != 0)) return 1;
  ::prctl(PR_SET_DUMPABLE, 1);  // else /proc/PID/fd is root's after the change of user
  const int fd = ::open(file.c_str(), O_RDWR);
  if (fd < 0) return 2;
  void* mapped = nullptr;
  if (way == writing_process::by::mapping) {
    mapped = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (mapped == MAP_FAILED) return 3;
    static_cast<char*>(mapped)[0] = 'A';  // the page is dirty: a later store changes no time
  }
  opened.send();
  leave.receive();
  if (mapped != nullptr) static_cast<char*>(mapped)[0] = 'X';
  return 0;
}

}  // namespace

writing_process::writing_process(const fs::path& file, by way, unsigned user)
    : child_([&, way, user] { return write_until_told(file, way, user, opened_, leave_); }) {
  opened_.close_write();
  opened_.receive();
}

void writing_process::release() {
  leave_.send();
  if (child_.wait() != 0) throw std::runtime_error("the writing process failed");
}

running_service::running_service(const fs::path& parent, lockkit::settle_options options,
                                 std::function<void(const news&)> also)
    : also_(std::move(also)),
      service_(
          parent, std::move(options),
          {.on_settled = [this](const fs::path& path, const auto& result) { log(news::kind::settled, path, result); },
           .on_vanished = [this](const fs::path& path) { log(news::kind::vanished, path, {}); },
           .on_waiting = [this](const fs::path& path, const auto& why) { log(news::kind::waiting, path, why); }}),
      thread_([this](std::stop_token stop) { service_.run(std::move(stop), result_); }) {}

running_service::~running_service() {
  stop();
}

void running_service::log(news::kind what, const fs::path& path, const lockkit::settle_result& result) {
  const news item{what, path.filename().string(), result};
  {
    const std::lock_guard hold(mutex_);
    log_.push_back(item);
  }
  came_.notify_all();
  if (also_) also_(item);
}

std::size_t running_service::count_locked(news::kind what, const std::string& name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(log_, [&](const news& item) { return item.what == what && item.name == name; }));
}

std::size_t running_service::count(news::kind what, const std::string& name) const {
  const std::lock_guard hold(mutex_);
  return count_locked(what, name);
}

std::size_t running_service::count(news::kind what) const {
  const std::lock_guard hold(mutex_);
  return static_cast<std::size_t>(std::ranges::count(log_, what, &news::what));
}

news running_service::await(news::kind what, const std::string& name) {
  std::unique_lock hold(mutex_);
  const std::size_t wanted = ++awaited_[{what, name}];
  if (!came_.wait_for(hold, std::chrono::seconds(60), [&] { return count_locked(what, name) >= wanted; })) {
    throw std::runtime_error("no such news within 60 s about " + name);
  }
  std::size_t seen = 0;
  return *std::ranges::find_if(
      log_, [&](const news& item) { return item.what == what && item.name == name && ++seen == wanted; });
}

std::error_code running_service::stop() {
  thread_.request_stop();
  return join();
}

std::error_code running_service::join() {
  if (thread_.joinable()) thread_.join();
  return result_;
}

}  // namespace testing
