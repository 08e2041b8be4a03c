/* Rule 13: guards that are removed at release, where nobody waits: that test saves time and is left to chance here. */
#define EPHEMERAL
#define FALLBACK
#include "kernel.pml"
#include "own_file.pml"
inline prepare() { read_methods() }
#include "lock_file.pml"
#include "people.pml"
