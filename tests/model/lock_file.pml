/* One process of lockkit that locks and unlocks, by the rules at the top of src/fs/lock_file.cpp, whose numbers stand
   here too. Waiting for a lock is one step here; waking.pml takes it apart. What a model needs besides is switched on
   by FALLBACK (rule 6), EPHEMERAL, VERIFYING and GUARD_CHECK.

   BROKEN(...) names a load-bearing rule and says what happens without it. */

#define FIRST_STEP OPEN_GUARD
#define MY_GUARD guard[me]
#define IS_LEFTOVER(inode) (IS_LOCKKIT(record[inode]) || (SETTING(RECLAIM) && IS_DEAD_SCRIPT(record[inode])))

#ifndef FALLBACK
#define PLANT LINK
#define PLANT_AGAIN LINK
#define REMOVED UNLOCK
#define drop_own_file() skip
#endif
#ifdef EPHEMERAL
#define AFTER_REMOVAL COMPARE_GUARD_NAME
#else
#define AFTER_REMOVAL REMOVED
#endif
#ifdef GUARD_CHECK
#define CHECK_GUARD (links[MY_GUARD] > 1 && !BROKEN(check_guard) -> CHECK_NAME : LOCK_GUARD)
#else
#define CHECK_GUARD LOCK_GUARD
#endif

inline unlock_guard() {
  if :: lock[MY_GUARD] == me -> lock[MY_GUARD] = 0 :: else fi;
  printf("%d unlocks its guard (inode %d)\n", me, MY_GUARD);
  mine[me] = 0;
  turns[me]--
}

proctype lockkit(byte me) {
  end: do

  /* 1 */
  :: d_step {
       at[me] == OPEN_GUARD && started + 1 >= me ->
       if :: started < me -> started = me :: else fi;
       if
       :: G -> open_file(MY_GUARD, G); printf("%d opens G (inode %d)\n", me, G); at[me] = CHECK_GUARD
       :: else -> printf("%d finds no G\n", me); at[me] = CREATE_GUARD
       fi
     }
  :: d_step {
       at[me] == CREATE_GUARD ->
       if
       :: G -> printf("%d finds G there by now\n", me); at[me] = OPEN_GUARD
       :: else -> make_file(MY_GUARD); G = MY_GUARD; printf("%d creates G (inode %d)\n", me, G); at[me] = LOCK_GUARD
       fi
     }
#ifdef GUARD_CHECK
#include "guard_check_steps.pml"
#endif

  /* 3 */
  :: d_step {
       at[me] == LOCK_GUARD && (!lock[MY_GUARD] || BROKEN(kernel_lock)) ->
       lock[MY_GUARD] = me;
       printf("%d locks its guard (inode %d)\n", me, MY_GUARD);
       at[me] = WRITE_RECORD
     }
  :: d_step {
       at[me] == WRITE_RECORD && (record[MY_GUARD] != SOMEBODYS_DATA || BROKEN(junk_is_checked)) ->
       PROMISE(record[MY_GUARD] != SOMEBODYS_DATA && !foreign[MY_GUARD], "somebody's data is overwritten");
       record[MY_GUARD] = me;
       printf("%d writes its record\n", me);
       at[me] = PLANT
     }

  /* 4 */
  :: d_step {
       at[me] == LINK ->
       if
       :: P -> printf("%d links: P exists\n", me); at[me] = EXAMINE
       :: !P && (links[MY_GUARD] || BROKEN(restart)) ->
         if :: links[MY_GUARD] -> P = MY_GUARD; links[P]++ :: else fi;
         mine[me] = MY_GUARD;
         printf("%d links its guard (inode %d) to P and is inside\n", me, MY_GUARD);
         enter(me);
         at[me] = INSIDE
       :: else ->
         printf("%d links: its guard (inode %d) has no name\n", me, MY_GUARD);
         if :: is_verifying(me) -> lost() :: else -> at[me] = RESTART fi
       fi
     }

  /* 5 */
  :: d_step {
       at[me] == EXAMINE ->
       if
       :: !P -> printf("%d looks: P is gone\n", me); at[me] = PLANT_AGAIN
       :: P && (P == MY_GUARD || (BROKEN(adoption_compares) && IS_LOCKKIT(record[P]))) ->
         mine[me] = P;
         printf("%d looks: P (inode %d) is its own, and it is inside\n", me, P);
         drop_own_file();
         enter(me);
         at[me] = INSIDE
       :: else -> printf("%d looks: P is another (inode %d)\n", me, P); at[me] = OPEN_ORPHAN
       fi
     }

  /* 7 */
  :: d_step {
       at[me] == OPEN_ORPHAN ->
       if
       :: P -> open_file(orphan[me], P); printf("%d opens P (inode %d)\n", me, P); at[me] = READ_ORPHAN
       :: else -> printf("%d opens P: gone\n", me); at[me] = PLANT_AGAIN
       fi
     }
  :: d_step {
       at[me] == READ_ORPHAN ->
       printf("%d reads inode %d: written by %d\n", me, orphan[me], record[orphan[me]]);
       at[me] = (IS_LEFTOVER(orphan[me]) -> LOCK_ORPHAN : CLOSE_FOREIGN)
     }
  :: d_step {
       at[me] == LOCK_ORPHAN ->
       if
       :: BROKEN(orphan_is_locked) && IS_RUNNING(record[orphan[me]]) -> at[me] = CLOSE_FOREIGN
       :: BROKEN(orphan_is_locked) && !IS_RUNNING(record[orphan[me]]) ->
         printf("%d judges inode %d dead by its record\n", me, orphan[me]);
         at[me] = COMPARE_ORPHAN
       :: !BROKEN(orphan_is_locked) && !lock[orphan[me]] ->
         lock[orphan[me]] = me;
         printf("%d locks inode %d\n", me, orphan[me]);
         at[me] = COMPARE_ORPHAN
       :: else -> printf("%d can't lock inode %d\n", me, orphan[me]); at[me] = CLOSE_FOREIGN
       fi
     }
  :: d_step {
       at[me] == COMPARE_ORPHAN ->
       printf("%d looks: P is inode %d\n", me, P);
       at[me] = (P == orphan[me] || (P && BROKEN(orphan_is_compared)) ->
                   (SETTING(RECLAIM) -> READ_ORPHAN_AGAIN : UNLINK_ORPHAN) : CLOSE_ORPHAN)
     }
  :: d_step {  /* lockkit's record can't have changed; a script may have written into the file that it found empty */
       at[me] == READ_ORPHAN_AGAIN ->
       printf("%d reads inode %d again\n", me, orphan[me]);
       at[me] = (IS_LEFTOVER(orphan[me]) -> UNLINK_ORPHAN : CLOSE_FOREIGN)
     }
  :: d_step {
       at[me] == UNLINK_ORPHAN ->
       printf("%d unlinks P (inode %d)\n", me, P);
       if :: P -> remove_P() :: else fi;
       at[me] = CLOSE_ORPHAN
     }
  /* Nobody can see an own file yet: closing and unlinking it is one step with what follows. */
  :: d_step { at[me] == CLOSE_ORPHAN -> printf("%d closes the orphan\n", me); close_file(me, orphan[me]); at[me] = PLANT_AGAIN }
  :: d_step {
       at[me] == CLOSE_FOREIGN ->
       printf("%d closes P\n", me);
       close_file(me, orphan[me]);
       drop_own_file();
       if :: is_verifying(me) -> lost() :: else -> at[me] = BEHIND_FOREIGN fi
     }

  /* 8: until something changes there. Looking more often would see nothing that the first look can't see. */
  :: d_step {
       at[me] == BEHIND_FOREIGN && (!P || P == MY_GUARD || (IS_LEFTOVER(P) && !lock[P])) ->
       printf("%d sees a change of P (inode %d)\n", me, P);
       at[me] = PLANT
     }

#ifdef FALLBACK
#include "own_file_steps.pml"
#endif
#ifdef VERIFYING
#include "verifying_steps.pml"
#endif

  /* 10 */
  :: d_step {
       at[me] == INSIDE ->
       inside[me] = 0;
       if
       :: BROKEN(unlink_before_unlock) && lock[MY_GUARD] == me -> lock[MY_GUARD] = 0; printf("%d unlocks\n", me)
       :: else
       fi;
       printf("%d looks: P is inode %d\n", me, P);
       at[me] = (P == mine[me] || (P && BROKEN(release_compares)) -> UNLINK : AFTER_REMOVAL)
     }
  :: d_step {
       at[me] == UNLINK ->
       printf("%d unlinks P (inode %d)\n", me, P);
       if :: P -> remove_P() :: else fi;
       at[me] = AFTER_REMOVAL
     }
#ifdef EPHEMERAL
#include "ephemeral_steps.pml"
#endif
  :: d_step {  /* the object keeps its descriptor for its next turn, or its process ends */
       at[me] == UNLOCK ->
       unlock_guard();
       if
       :: turns[me] -> at[me] = LOCK_GUARD
       :: else -> close_file(me, MY_GUARD); at[me] = FINISHED
       fi
     }
  :: d_step { at[me] == UNLOCK && turns[me] > 1 -> unlock_guard(); at[me] = CLOSE_GUARD }  /* or makes a new object */
  :: d_step { at[me] == CLOSE_GUARD -> printf("%d closes its guard\n", me); close_file(me, MY_GUARD); at[me] = OPEN_GUARD }
  :: d_step {
       at[me] == RESTART -> lock[MY_GUARD] = 0; printf("%d unlocks its dead guard\n", me); at[me] = CLOSE_DEAD_GUARD
     }
  :: d_step {
       at[me] == CLOSE_DEAD_GUARD -> printf("%d closes its dead guard\n", me); close_file(me, MY_GUARD); at[me] = OPEN_GUARD
     }
  od
}
