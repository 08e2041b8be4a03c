/// The gate before a resource.
///
/// 1. Whoever is admitted has the mutex of the gate's file, exclusively: check and effect are one step, and a process that
///    dies inside is succeeded by the kernel's rules.
/// 2. The file is made before the mutex is taken, in one step and synced (gate_file.hpp, rule 6): the mutex would make an
///    empty one, and from that nobody could tell whether older tokens were admitted.
/// 3. The file is opened anew for each admission, with the mutex held: nobody replaces it, but a person may, and what
///    counts is what stands at the path.
/// 4. A token below the highest is refused. The same one is admitted again: a holder acts many times. A higher one is on
///    the disk before anything is done in its name.
#include <lockkit/fence_gate.hpp>

#include <fcntl.h>

#include <lockkit/directory.hpp>
#include <lockkit/file_mutex.hpp>
#include <lockkit/staged_file.hpp>

#include "core/throw_error.hpp"
#include "gate_file.hpp"
#include "kernel_holders.hpp"
#include "lock_inode.hpp"
#include "platform/inode.hpp"
#include "platform/process.hpp"

namespace lockkit::inline v0 {

struct fence_gate::impl {
  impl(const std::filesystem::path& path, const lock_options& given) : options(given), mutex(path, given) {}

  /// False with a clear code: overtaken. The mutex is held if true.
  [[nodiscard]] bool enter(fencing_token token, deadline until, std::error_code& ec);
  [[nodiscard]] fencing_token read(std::error_code& ec) const;

  lock_options options;
  file_mutex mutex;

 private:
  void make_file(std::error_code& ec) const;
  [[nodiscard]] bool pass(fencing_token token, std::error_code& ec);

  std::optional<fencing_token> settled_;  // what this object has put on the disk; used by who has the mutex
};

/// Rule 2.
void fence_gate::impl::make_file(std::error_code& ec) const {
  const std::filesystem::path& path = mutex.path();
  static_cast<void>(platform::facts_at(AT_FDCWD, path.c_str(), ec));
  if (ec != std::errc::no_such_file_or_directory) return;
  if (options.create_parents) {
    ensure_directory(path.parent_path(), {}, ec);
    if (ec) return;
  }
  detail::refuse_remote(path.parent_path(), options, ec);
  if (ec) return;
  const std::string content = detail::new_gate_file();
  staged_file file(path, {.mode = publish_mode::if_absent}, ec);
  if (!ec) file.write(std::as_bytes(std::span(content)), ec);
  if (!ec) detail::set_mode_of_made(file.native_handle(), path.parent_path(), options, ec);
  if (!ec) file.commit(durability::durable, ec);
}

bool fence_gate::impl::enter(fencing_token token, deadline until, std::error_code& ec) {
  ec.clear();
  if (token.value == 0) ec = errc::not_held;
  if (!ec) make_file(ec);
  if (ec) return false;
  if (!mutex.try_lock_until(until, ec)) {
    if (!ec) ec = errc::timed_out;
    return false;
  }
  bool admitted = false;
  try {
    admitted = pass(token, ec);
  } catch (...) {
    mutex.unlock();
    throw;
  }
  if (!admitted) mutex.unlock();
  return admitted;
}

/// Rules 3 and 4.
bool fence_gate::impl::pass(fencing_token token, std::error_code& ec) {
  const platform::unique_fd file =
      platform::open_at(AT_FDCWD, mutex.path().c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  const fencing_token highest = ec ? fencing_token() : detail::read_gate(file.get(), ec).seen;
  if (ec || token < highest) return false;
  detail::raise_gate(file.get(), token, settled_, ec);
  if (!ec) settled_ = token;
  return !ec;
}

fencing_token fence_gate::impl::read(std::error_code& ec) const {
  const char* const path = mutex.path().c_str();
  const platform::inode_facts named = platform::facts_at(AT_FDCWD, path, ec);
  if (!ec && !named.is_regular()) ec = errc::not_a_lock_file;  // opening a FIFO lets its writer go on
  platform::unique_fd file;
  if (!ec) file = platform::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return file ? detail::read_gate(file.get(), ec).sure : fencing_token();
}

fence_gate::admission::admission(std::shared_ptr<impl> gate, fencing_token token) noexcept
    : gate_(std::move(gate)), token_(token), process_(platform::process_generation()) {}

/// In a forked child the gate may have admitted the child itself meanwhile: that one is not ours to end.
fence_gate::admission::~admission() {
  if (gate_ && process_ == platform::process_generation()) gate_->mutex.unlock();
}

fence_gate::admission::admission(admission&& other) noexcept = default;

fence_gate::admission& fence_gate::admission::operator=(admission&& other) noexcept {
  admission old(std::move(other));  // what we were ends with the temporary
  gate_.swap(old.gate_);
  std::swap(token_, old.token_);
  std::swap(process_, old.process_);
  return *this;
}

fence_gate::fence_gate(const std::filesystem::path& path, const lock_options& options)
    : impl_(std::make_shared<impl>(path, options)) {}

fence_gate::~fence_gate() = default;
fence_gate::fence_gate(fence_gate&& other) noexcept = default;
fence_gate& fence_gate::operator=(fence_gate&& other) noexcept = default;

std::optional<fence_gate::admission> fence_gate::admit(fencing_token token, deadline until, std::error_code& ec) {
  if (!impl_->enter(token, until, ec)) return std::nullopt;
  return admission(impl_, token);
}

std::optional<fence_gate::admission> fence_gate::admit(fencing_token token) {
  std::error_code ec;
  auto admitted = admit(token, deadline::after(impl_->options.timeout), ec);
  if (!ec) return admitted;
  std::string inside;
  if (ec == errc::timed_out) {
    bool foreign = false;
    inside = detail::find_mutex_holder(path().c_str(), foreign).describe() + " is admitted";
  }
  detail::throw_error("pass the gate", path(), ec, std::move(inside));
}

fencing_token fence_gate::highest(std::error_code& ec) const {
  return impl_->read(ec);
}

fencing_token fence_gate::highest() const {
  return detail::throwing("read", path(), [&](std::error_code& ec) { return highest(ec); });
}

const std::filesystem::path& fence_gate::path() const noexcept {
  return impl_->mutex.path();
}

}  // namespace lockkit::inline v0
