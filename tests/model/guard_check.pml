/* Rule 2: a file that somebody linked to G is refused, lockkit's own guard never. */
#define GUARD_CHECK
#include "kernel.pml"
inline prepare() {
  /* 1: data, 2: a file that is still empty */
  if
  :: SETTING(VICTIM) == 1 -> G = 1; links[1] = 2; record[1] = SOMEBODYS_DATA
  :: SETTING(VICTIM) == 2 -> G = 1; links[1] = 2; foreign[1] = 1
  :: else
  fi
}
#include "lock_file.pml"
#include "people.pml"
