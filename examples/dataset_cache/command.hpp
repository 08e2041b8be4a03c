#pragma once
/// The commands, each in a file of its own: it declares its arguments and runs when they are parsed.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include <lockkit/mirror_cache.hpp>

#include "catalogue.hpp"
#include "fetching/console.hpp"
#include "fetching/failure.hpp"
#include "fetching/stop_on_signal.hpp"

namespace dataset_cache {

/// What all commands share.
struct context {
  std::filesystem::path cache_directory;
  std::filesystem::path catalogue_file;  ///< empty: none
  fetching::stop_on_signal& stop;
  fetching::console& out;
  fetching::exit_status result = fetching::exit_status::ok;

  [[nodiscard]] catalogue load_catalogue() const;
  /// In cache_directory, or else in the user's cache directory.
  [[nodiscard]] lockkit::mirror_cache open_cache() const;
  /// A failed part of a command: says why, and keeps the first status for the end.
  void failed(const std::string& label, const std::exception& why);
};

void add_get(CLI::App& app, context& shared);
void add_list(CLI::App& app, context& shared);
void add_verify(CLI::App& app, context& shared);
void add_evict(CLI::App& app, context& shared);
void add_stats(CLI::App& app, context& shared);
void add_remove(CLI::App& app, context& shared);

}  // namespace dataset_cache
