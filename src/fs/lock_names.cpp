#include "lock_names.hpp"

#include <fmt/format.h>

#include <climits>

#include <lockkit/error.hpp>

namespace lockkit::detail {
namespace {

constexpr std::string_view guard_suffix = ".guard";

/// FNV-1a, 64 bits (Fowler, Noll, Vo): tells names apart that agree in more than their first 200 bytes.
std::uint64_t hash_name(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

std::error_code check_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.empty() || name == "." || name == "..") return errc::invalid_name;
  if (path.native().find('\0') != std::string::npos) return errc::invalid_name;
  if (name.size() > NAME_MAX) return std::make_error_code(std::errc::filename_too_long);
  return {};
}

}  // namespace

std::string hidden_name(const std::string& name, const std::string& suffix) {
  if (name.size() + suffix.size() + 1 <= NAME_MAX) return fmt::format(".{}{}", name, suffix);
  const std::string hash = fmt::format(".{:016x}", hash_name(name));
  return fmt::format(".{}{}{}", name.substr(0, NAME_MAX - 1 - hash.size() - suffix.size()), hash, suffix);
}

bool is_guard_name(std::string_view name) noexcept {
  return name.size() > guard_suffix.size() + 1 && name.front() == '.' && name.ends_with(guard_suffix);
}

std::filesystem::path lock_names::own_file(std::uint64_t guard_inode, unsigned user) const {
  return directory / hidden_name(path.filename().string(), fmt::format(".guard.{}.{}.tmp", guard_inode, user));
}

std::filesystem::path name_mutex(const std::filesystem::path& path, std::error_code& ec) {
  ec = check_name(path);
  if (ec) return path;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ec);
  return ec ? path : absolute;
}

lock_names name_lock(const std::filesystem::path& path, std::error_code& ec) {
  lock_names names;
  names.path = name_mutex(path, ec);
  if (ec) return names;
  const std::string name = names.path.filename().string();
  if (is_guard_name(name)) ec = errc::invalid_name;
  names.directory = names.path.parent_path();
  names.guard = names.directory / hidden_name(name, std::string(guard_suffix));
  return names;
}

}  // namespace lockkit::detail
