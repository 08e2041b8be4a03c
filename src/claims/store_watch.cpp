#include "store_watch.hpp"

#include <algorithm>

#include <lockkit/backoff.hpp>

#include "platform/file.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::milliseconds short_slice{50};
constexpr std::chrono::milliseconds long_slice{1000};
constexpr std::chrono::milliseconds nap{5};
constexpr std::size_t most_processes = 63;

/// Empty if it can't be watched: then somebody must ask for its life mark.
platform::unique_fd watch_process(const holder_process& process) {
  std::error_code ec;
  if (process.pid_namespace != current_process().pid_namespace) return {};
  platform::unique_fd fd = platform::open_process(process.pid, ec);
  if (ec || platform::status(fd.get(), ec).st_ino != process.pidfd_inode || ec) return {};
  return platform::has_ended(fd.get()) ? platform::unique_fd() : std::move(fd);
}

}  // namespace

bool process_watch::follow(const std::vector<holder_process>& processes) {
  if (processes == followed_ && std::ranges::none_of(descriptors_, &platform::has_ended)) return sees_all_;
  owned_.clear();
  descriptors_.clear();
  followed_ = processes;
  sees_all_ = true;
  for (const holder_process& process : processes) {
    platform::unique_fd fd = descriptors_.size() < most_processes ? watch_process(process) : platform::unique_fd();
    sees_all_ = sees_all_ && fd;
    if (!fd) continue;
    descriptors_.push_back(fd.get());
    owned_.push_back(std::move(fd));
  }
  return sees_all_;
}

store_watch::~store_watch() {
  if (watch_ && !unwatched_) store_.give_back(std::move(watch_));
}

void store_watch::prepare() {
  store_.check_files();
  if (!watch_) watch_ = store_.borrow_watch(unwatched_);
  if (!unwatched_) watch_->drain();
}

void store_watch::follow(const silent_ends& ends) {
  first_end_ = ends.earliest;
  sees_all_ = processes_.follow(ends.processes) && !ends.has_jobs;
}

void store_watch::sleep(deadline until, const std::stop_token& stop) noexcept {
  const bool sees_all = sees_all_ && !stop.stop_possible();
  const deadline slice = earlier(earlier(until, first_end_), deadline::after(sees_all ? long_slice : short_slice));
  if (unwatched_) {
    watch_.reset();
    sleep_until(earlier(slice, deadline::after(nap)));
  } else {
    watch_->wait(slice, processes_.descriptors());
  }
}

}  // namespace lockkit::detail
