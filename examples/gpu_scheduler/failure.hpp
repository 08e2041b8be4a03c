#pragma once
/// What ends a command, as in the other programs here.

#include "tooling/failure.hpp"

namespace gpu_scheduler {

using tooling::exit_status;
using tooling::failure;
using tooling::status_of;

}  // namespace gpu_scheduler
