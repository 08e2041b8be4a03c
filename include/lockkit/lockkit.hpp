#pragma once
/// Everything at once. Prefer the single headers.
#include <lockkit/backoff.hpp>
#include <lockkit/claim_store.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>
#include <lockkit/file_mutex.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/lock_file.hpp>
#include <lockkit/lock_options.hpp>
#include <lockkit/mirror_cache.hpp>
#include <lockkit/owner.hpp>
#include <lockkit/retry.hpp>
#include <lockkit/settle.hpp>
#include <lockkit/staged_file.hpp>
#include <lockkit/task_queue.hpp>
