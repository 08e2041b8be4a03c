/* Rule 11: a holder that looks whether it still is one, and plants P again. */
#define FALLBACK
#define VERIFYING
#define is_verifying(actor) verifying[actor]
#define has_verified(actor) verifying[actor] = 0
#define is_overtaken(actor) overtaken[actor]
#define overtake_all() \
  overtaken[1] = inside[1]; overtaken[2] = inside[2]; overtaken[3] = inside[3]; overtaken[4] = inside[4]
#define forget_actor(actor) verifying[actor] = 0; verifications[actor] = 0; overtaken[actor] = 0
#include "kernel.pml"
#include "own_file.pml"

byte verifications[ACTORS];  /* so many to come */
bit verifying[ACTORS];
bit overtaken[ACTORS];       /* somebody else came in while it was inside */

inline prepare() {
  read_methods();
  verifications[1] = SETTING(VERIFICATIONS);
  verifications[2] = verifications[1];
  verifications[3] = verifications[1];
  verifications[4] = verifications[1]
}

/* It is told, and lets go. */
inline lost() {
  printf("%d is told that its lock is lost\n", me);
  inside[me] = 0;
  verifying[me] = 0;
  verifications[me] = 0;
  overtaken[me] = 0;
  at[me] = INSIDE
}

inline plant_again() {
  close_file(me, own[me]);
  at[me] = PLANT
}

#include "lock_file.pml"
#include "people.pml"
