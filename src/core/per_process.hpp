#pragma once
/// A value that each process computes once: a forked child computes its own.

#include <atomic>
#include <cstdint>
#include <memory>

#include "platform/process.hpp"

namespace lockkit::detail {

/// For objects of static storage duration. No mutex: a child forked while another thread held it would hang. What is
/// replaced after a fork is kept, since a thread may still be reading it.
template <class Value>
class per_process {
 public:
  template <class Compute>
  const Value& get(Compute&& compute) {
    const std::uint64_t generation = platform::process_generation();
    const entry* found = latest_.load(std::memory_order_acquire);
    while (found == nullptr || found->generation != generation) {
      auto made = std::make_unique<const entry>(generation, compute(), found);
      if (latest_.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) return made.release()->value;
    }
    return found->value;
  }

 private:
  struct entry {
    entry(std::uint64_t g, Value v, const entry* before) : generation(g), value(std::move(v)), earlier(before) {}
    std::uint64_t generation;
    Value value;
    const entry* earlier;  // of the parent process: never freed, and reachable, so that leak checkers see why
  };
  std::atomic<const entry*> latest_{nullptr};
};

}  // namespace lockkit::detail
