#pragma once
/// A directory with a temporary name that is put in place in one step: the engine under staged_directory. The protocol and
/// its reasons stand at the top of staged_tree.cpp and tree_place.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <lockkit/publish_directory.hpp>

#include "platform/unique_fd.hpp"
#include "temporary_name.hpp"

namespace lockkit::detail {

/// Used by one thread at a time. A forked child can do nothing with it, and removes nothing.
class staged_tree {
 public:
  staged_tree() noexcept = default;
  /// In `directory`, which outlives this object; `base`: the name that it will have there.
  staged_tree(int directory, std::string_view base, const directory_publish_options& options, std::error_code& ec);
  ~staged_tree();
  staged_tree(staged_tree&&) = delete;
  staged_tree& operator=(staged_tree&&) = delete;

  [[nodiscard]] int fd() const noexcept { return tree_.get(); }
  [[nodiscard]] const char* name() const noexcept { return name_.data(); }
  /// Once. With a code other than errc::published_not_durable it is not in place, and nothing was changed.
  publish_result publish(durability level, std::error_code& ec);
  /// Removes it, unless it was published, and closes it.
  void discard() noexcept;

 private:
  void make(std::error_code& ec);
  bool try_make(std::error_code& ec);
  [[nodiscard]] bool is_own_process() const noexcept;
  [[nodiscard]] bool is_named(const char* name, std::error_code& ec) const noexcept;
  [[nodiscard]] bool is_at(const char* name) const noexcept;  ///< false if it can't be told
  void make_ready(durability level, std::error_code& ec);
  publish_result put_in_place(std::error_code& ec);
  publish_result move_once(bool& again, std::error_code& ec);
  void exchange(bool& again, std::error_code& ec);
  publish_result link_once(bool& again, std::error_code& ec);
  void turn_link(bool& again, std::error_code& ec);
  void settle_old(durability level, std::error_code& ec);
  void close() noexcept;

  int directory_ = -1;
  std::string base_;
  directory_publish_options options_;
  name_buffer name_{};
  platform::unique_fd tree_;
  std::uint64_t generation_ = 0;
  std::string displaced_;  // what the old tree is called now
  bool committed_ = false;
  bool published_ = false;
};

}  // namespace lockkit::detail
