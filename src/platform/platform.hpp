#pragma once
/// Every system call on which exclusion, publishing, liveness or waiting rests. Nothing outside this folder makes one.
#include "fault.hpp"
#include "file.hpp"
#include "filesystem_kind.hpp"
#include "lease_probe.hpp"
#include "listing.hpp"
#include "lock.hpp"
#include "names.hpp"
#include "process.hpp"
#include "shared_word.hpp"
#include "tree_watch.hpp"
#include "unique_fd.hpp"
#include "watch.hpp"
