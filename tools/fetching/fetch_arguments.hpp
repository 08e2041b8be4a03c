#pragma once
/// The options of every command that fetches.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include <lockkit/mirror_cache.hpp>

#include "transfer.hpp"

namespace fetching {

struct fetch_arguments {
  std::string policy = "if-missing";
  std::string sha256;  ///< empty: not promised
  unsigned connect_timeout = 20;
  unsigned stall_timeout = 30;
  unsigned attempts = 5;
  std::filesystem::path ca_file;
  bool offline = false;
  bool stale_if_error = false;

  [[nodiscard]] transfer_options transfers() const;
  [[nodiscard]] lockkit::offline_mode offline_mode() const noexcept;
};

/// --policy, --offline, --stale-if-error, --sha256, --attempts, --connect-timeout, --stall-timeout, --ca-file.
void declare(CLI::App& command, fetch_arguments& given);

struct mirror_arguments {
  bool link = false;
  bool overwrite = false;

  [[nodiscard]] lockkit::mirror_options options() const;
};

/// --link, --overwrite.
void declare(CLI::App& command, mirror_arguments& given);

/// How a mirror came to be, for messages.
[[nodiscard]] const char* describe(lockkit::mirror_result result) noexcept;

/// "could not be refreshed (...); what was fetched 5 minutes ago is served": for an entry that is stale.
[[nodiscard]] std::string describe_staleness(const lockkit::cache_entry& entry);

/// "5 minutes": since then.
[[nodiscard]] std::string describe_age(std::chrono::system_clock::time_point fetched);

}  // namespace fetching
