#pragma once
/// The gate of a cache: shared while a content and the record that names it appear, exclusive while contents go. It
/// closes the one hole of content-named files: a publisher finds the content there already, and a remover, who saw no
/// record naming it, takes it away before the publisher's record stands.

#include <lockkit/file_mutex.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

[[nodiscard]] inline file_mutex make_gate(const cache_layout& layout) {
  lock_options options;
  options.mode = layout.lock_mode();
  options.label = "cache gate";
  return file_mutex(layout.gate_path(), std::move(options));
}

}  // namespace lockkit::detail
