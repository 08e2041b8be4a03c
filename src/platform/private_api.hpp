#pragma once
/// Symbols that lockkit's own libraries share with each other, and with nobody else: exported from liblockkit_core for
/// liblockkit_fs and the rest, declared in no installed header, free to change in every version.

#include <lockkit/export.hpp>

#define LOCKKIT_PRIVATE_API LOCKKIT_API
