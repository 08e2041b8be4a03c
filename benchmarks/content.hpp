#pragma once
/// Contents to publish and to cache: what they hold does not matter, their size does.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lockkit/fetch.hpp>
#include <span>
#include <vector>

namespace benchmark {

/// A fetch function's work: `size` bytes.
inline void bring(lockkit::fetch_sink& sink, std::uint64_t size) {
  const std::vector<std::byte> block(std::min<std::uint64_t>(size, 1U << 20U), std::byte{'x'});
  for (std::uint64_t left = size; left > 0;) {
    const std::size_t part = std::min<std::uint64_t>(left, block.size());
    sink.write(std::span(block).first(part));
    left -= part;
  }
}

}  // namespace benchmark
