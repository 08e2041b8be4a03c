/* Guards that are removed at release, where nobody waits: that test saves time and is left to chance here. */
#define EPHEMERAL
inline prepare() { skip }
#include "kernel.pml"
#include "lock_file.pml"
#include "people.pml"
