#pragma once
/// Replacing one version of a file, against writers who know nothing of it.
///
///  1. The staged file, synced, changes places with what stands at the target, in one step. So whatever stood there has a
///     name, and can be looked at: nothing can come in between looking and replacing.
///  2. It is the version that was expected: removed, after the directory's sync where one is wanted. If somebody has it
///     open for writing, it is not: what he writes would go with it. That is asked first and looked at then; no new writer
///     comes in between, since the name has gone.
///  3. It is not: exchanged back. If what comes back is not our file, a third one replaced that meanwhile. His is the
///     latest: exchanged once more, and what was displaced then is kept under its name.
///  4. The version that is to be replaced carries a shared lock of ours before it can be displaced, as the staged file
///     does: a sweep leaves both alone while we live (displaced_name.hpp).
///  5. After exchanging back the directory is synced (but for visible): otherwise a power cut could bring back the state
///     in between.
///  6. Where names can't be exchanged, that is an error: nothing else keeps this promise.

#include <filesystem>
#include <system_error>

#include <lockkit/if_unchanged.hpp>

#include "publication.hpp"

namespace lockkit::detail {

/// `file` is complete. `old` is the version that was expected, opened for reading.
[[nodiscard]] unchanged_outcome exchange_if_unchanged(publication& file, const file_version& expected, int old,
                                                      durability level, std::error_code& ec);

}  // namespace lockkit::detail
