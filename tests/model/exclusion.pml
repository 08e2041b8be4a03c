/* The lock protocol with the link plant, as nearly every filesystem has it: rules 1, 3, 4, 5, 7, 8 and 10. */
inline prepare() { skip }
#include "kernel.pml"
#include "lock_file.pml"
#include "people.pml"
