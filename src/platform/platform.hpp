#pragma once
/// Every system call on which exclusion, publishing, liveness or waiting rests. Nothing outside this folder makes one.
#include "fault.hpp"
#include "file.hpp"
#include "filesystem_kind.hpp"
#include "lock.hpp"
#include "names.hpp"
#include "process.hpp"
#include "shared_word.hpp"
#include "unique_fd.hpp"
#include "watch.hpp"
