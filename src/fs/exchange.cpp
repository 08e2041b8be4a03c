#include "exchange.hpp"

#include <fcntl.h>

#include <array>
#include <cstdio>

#include <lockkit/error.hpp>

#include "displaced_name.hpp"
#include "durable_names.hpp"
#include "file_version.hpp"
#include "platform/inode.hpp"
#include "platform/lease_probe.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

bool no_exchange(const std::error_code& ec) noexcept {
  return ec == std::errc::invalid_argument || ec == std::errc::function_not_supported ||
         ec == std::errc::operation_not_supported;
}

class exchange {
 public:
  exchange(publication& file, const file_version& expected, int old, durability level)
      : file_(file), expected_(expected), old_(old), level_(level) {}

  unchanged_outcome run(std::error_code& ec) {
    prepare(ec);
    if (!ec) swap_names(ec);
    if (ec == std::errc::no_such_file_or_directory) {  // the target is gone
      ec.clear();
      return {};
    }
    if (no_exchange(ec)) ec = errc::unsupported_filesystem;
    if (ec) return {};
    const bool as_expected = is_displaced_as_expected(ec);
    if (!ec && as_expected) return finish(ec);
    std::error_code failure;
    unchanged_outcome outcome = take_back(failure);
    if (!ec) ec = failure;
    return outcome;
  }

 private:
  /// A name that tells what changes places, and the mark of rule 4.
  void prepare(std::error_code& ec) {
    staging& staged = file_.file();
    staged.give_temporary_name(ec);
    if (!ec) staged.make_ready(level_, ec);
    if (ec) return;
    std::error_code ignored;  // without working locks nobody sweeps by them
    static_cast<void>(platform::try_flock(old_, platform::lock_mode::shared, ignored));
    const version_marks replaced = marks_of(expected_);
    const version_marks own = marks_of(staged.fd(), version_content::when_recent, ec);
    if (ec) return;
    name_ = displaced_name(staged.temporary(), {replaced.with_content.value_or(replaced.of_state), own.of_state});
    staged.rename_temporary(name_, ec);
    if (no_exchange(ec)) ec = errc::unsupported_filesystem;  // NOREPLACE came to Linux with EXCHANGE
  }

  [[nodiscard]] bool is_ours(const char* name) const noexcept {
    std::error_code ec;
    const platform::inode_facts there = platform::facts_at(file_.directory(), name, ec);
    if (ec) return false;
    const platform::inode_facts mine = platform::facts(file_.file().fd(), ec);
    return !ec && platform::same_inode(there, mine);
  }

  /// An error does not prove that nothing happened (a lost reply of a server).
  void swap_names(std::error_code& ec) noexcept {
    platform::rename_exchange(file_.directory(), name_.data(), file_.name(), ec);
    if (ec && is_ours(file_.name())) ec.clear();
  }

  /// Rule 2. First the question, then the look: who had it open and is done by then has written what is looked at.
  [[nodiscard]] bool is_displaced_as_expected(std::error_code& ec) {
    std::error_code unknown;  // another user's file, say: nobody can tell
    if (platform::lease_probe().ask(old_, unknown) == platform::writers::some) return false;
    platform::unique_fd displaced;
    return is_version(expected_, file_.directory(), name_.data(), compared::after_rename, displaced, ec) && !ec;
  }

  unchanged_outcome finish(std::error_code& ec) {
    sync_names(file_.directory(), file_.file().fd(), level_, ec);
    std::error_code left;  // then a sweep removes it
    platform::unlink_name(file_.directory(), name_.data(), left);
    return {unchanged_result::published, {}};
  }

  /// Rule 3.
  unchanged_outcome take_back(std::error_code& ec) {
    platform::rename_exchange(file_.directory(), name_.data(), file_.name(), ec);
    if (ec == std::errc::no_such_file_or_directory && !is_ours(file_.name())) {
      ec.clear();  // somebody removed ours: what was there before is not lost by that
      return kept_aside();
    }
    if (ec) return kept_aside();
    if (is_ours(name_.data())) {
      if (level_ != durability::visible) sync_names(file_.directory(), file_.file().fd(), durability::durable, ec);
      return {};
    }
    platform::rename_exchange(file_.directory(), name_.data(), file_.name(), ec);
    return kept_aside();
  }

  [[nodiscard]] unchanged_outcome kept_aside() const {
    return {unchanged_result::changed, directory_path() / name_.data()};
  }

  /// Where a link that was followed leads, only the kernel knows.
  [[nodiscard]] std::filesystem::path directory_path() const {
    std::array<char, 32> link{};
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", file_.directory());
    std::error_code ec;
    const std::string path = platform::read_link(AT_FDCWD, link.data(), ec);
    return ec ? file_.path().parent_path() : std::filesystem::path(path);
  }

  publication& file_;
  const file_version& expected_;
  int old_;
  durability level_;
  name_buffer name_{};
};

}  // namespace

unchanged_outcome exchange_if_unchanged(publication& file, const file_version& expected, int old, durability level,
                                        std::error_code& ec) {
  return exchange(file, expected, old, level).run(ec);
}

}  // namespace lockkit::detail
