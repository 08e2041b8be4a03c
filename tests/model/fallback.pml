/* Rule 6: where linking is refused, alone and mixed with processes that link. */
#define FALLBACK
#include "kernel.pml"
#include "own_file.pml"
inline prepare() { read_methods() }
#include "lock_file.pml"
#include "people.pml"
