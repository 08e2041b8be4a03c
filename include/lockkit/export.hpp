#pragma once
/// Visibility of lockkit's symbols. Everything is compiled hidden; what carries LOCKKIT_API is exported.
/// Consumers of the static libraries get LOCKKIT_STATIC from CMake or pkg-config: nothing of lockkit is then
/// exported again from their own shared libraries.

#if defined(LOCKKIT_STATIC)
#define LOCKKIT_API
#else
#define LOCKKIT_API __attribute__((visibility("default")))
#endif
