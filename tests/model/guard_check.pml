/* Rule 2: a file that somebody linked to G is refused, lockkit's own guard never. */
#define GUARD_CHECK
#include "kernel.pml"
inline prepare() {
  if
  :: SETTING(VICTIM) -> G = 1; links[1] = 2; record[1] = SOMEBODYS_DATA
  :: else
  fi
}
#include "lock_file.pml"
#include "people.pml"
