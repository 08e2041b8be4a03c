#pragma once
/// One page for a browser: when each case ran on which GPU, how busy each was, and a table of the cases. Complete in
/// itself: no network, no script; light and dark.

#include <string>
#include <vector>

#include <lockkit/claim_store.hpp>

#include "case_table.hpp"

namespace gpu_scheduler {

struct timeline_data {
  std::vector<case_row> cases;
  std::vector<lockkit::resource_status> gpus;
  wall_time now;
  std::string title;
};

[[nodiscard]] std::string timeline_page(const timeline_data& data);

}  // namespace gpu_scheduler
