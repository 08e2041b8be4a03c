#include "store_subcommands.hpp"

namespace lockkit_command {

std::span<const subcommand> store_subcommands() noexcept {
  return store_summaries;
}

}  // namespace lockkit_command
