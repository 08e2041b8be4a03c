/* Waiting for the kernel's lock on one inode, by the rules at the top of src/fs/kernel_lock.hpp, whose numbers stand
   here too: presence, the word and its sleepers, deadlines, slices, sharers. One system call is one d_step.

   A wake-up is lost when a process sleeps although the lock is free for it and nobody is on the way to wake it. Without
   crashes there must be none; a killed holder wakes nobody, and its sleepers need the slice of rule 4. So slices are
   off (nobody wakes by itself but at its deadline) unless SLICES says otherwise. */

#define ACTORS 6           /* 1 to 4: lockkit, 5: somebody who tries the lock and lets go at once; 0 is nobody */
#define PROBER 5
#define SETTINGS(X) \
  X(PROCESSES) X(MORE_TURNS) X(CRASHES) X(TIMED) X(SLICES) X(FAILURES) X(SHARERS) X(STAYING_SHARERS) X(PROBES)
#define RULES(X) \
  X(presence_before_last_look) X(look_before_deadline) X(word_changes) X(word_counts) X(unlock_before_wake) X(slice) \
  X(failure_wakes) X(sharer_wakes_others) X(presence_is_seen) X(sleep_on_the_word_read)
#include "settings.pml"

#define NOWHERE 0
#define FINISHED 1
#define TRY 2
#define SET_PRESENCE 3
#define READ_WORD 4
#define LAST_LOOK 5
#define SLEEP 6
#define ASLEEP 7
#define LOOK_AGAIN 8
#define CLEAR_PRESENCE 9
#define GIVE_UP 10
#define LOOK_FOR_SHARERS 11
#define WAKE_SHARERS 12
#define WRITE_RECORD 13
#define INSIDE 14
#define LOOK_FOR_PRESENCE 15
#define WAKE 16
#define UNLOCK_LATE 17
#define PROBE 18
#define UNPROBE 19

byte at[ACTORS];
byte word;
byte seen[ACTORS];
bit present[ACTORS];
bit shares[ACTORS];        /* wants the lock shared */
bit stays[ACTORS];         /* once it is in */
bit has_share[ACTORS];
bit timed[ACTORS];         /* has a deadline, which may be over at any time */
byte turns[ACTORS];
byte holder, sharers;      /* the lock: one exclusive holder, or so many sharers */
byte failures, crashes, probes;
byte started;              /* equal processes begin in their order: another order would be the same run */

#define LETTERS (BROKEN(word_counts) -> 2 : 32)
#define IS_FREE(actor) (!holder && (shares[actor] || !sharers))
#define ANYBODY_PRESENT (present[1] || present[2] || present[3] || present[4])
#define OTHERS_PRESENT \
  ((present[1] && me != 1) || (present[2] && me != 2) || (present[3] && me != 3) || (present[4] && me != 4))

inline take() {
  if
  :: shares[me] -> has_share[me] = 1; sharers++; printf("%d locks, shared\n", me)
  :: else -> holder = me; printf("%d locks\n", me)
  fi
}
inline let_loose(actor) {
  if :: holder == actor -> holder = 0 :: else fi;
  if :: has_share[actor] -> has_share[actor] = 0; sharers-- :: else fi
}
inline change_word() { word = (word + 1) % LETTERS }
inline next_turn() {
  turns[me]--;
  if :: turns[me] -> at[me] = TRY :: else -> at[me] = FINISHED fi
}
inline woken() {
  if :: BROKEN(unlock_before_wake) -> at[me] = UNLOCK_LATE :: else -> next_turn() fi
}
/* One call changes the word and wakes. */
inline wake(sleeper) {
  if :: BROKEN(word_changes) -> skip :: else -> change_word() fi;
  if :: sleeper -> at[sleeper] = LOOK_AGAIN :: else fi;
  printf("%d wakes %d\n", me, sleeper);
  woken()
}

proctype lockkit(byte me) {
  end: do
  :: d_step {
       at[me] == TRY && started + 1 >= me ->
       if :: started < me -> started = me :: else fi;
       if
       :: IS_FREE(me) -> take(); at[me] = (shares[me] -> INSIDE : WRITE_RECORD)
       :: else ->
         printf("%d tries: taken\n", me);
         at[me] = (BROKEN(presence_before_last_look) -> READ_WORD : SET_PRESENCE)
       fi
     }
  /* 1 */
  :: d_step {
       at[me] == SET_PRESENCE ->
       present[me] = 1;
       printf("%d is present\n", me);
       at[me] = (BROKEN(presence_before_last_look) -> SLEEP : READ_WORD)
     }
  /* 2 */
  :: d_step { at[me] == READ_WORD -> seen[me] = word; printf("%d reads %d\n", me, word); at[me] = LAST_LOOK }
  :: d_step {
       at[me] == LAST_LOOK ->
       if
       :: IS_FREE(me) -> take(); at[me] = CLEAR_PRESENCE
       :: else ->
         printf("%d looks: taken\n", me);
         at[me] = (BROKEN(presence_before_last_look) && !present[me] -> SET_PRESENCE : SLEEP)
       fi
     }
  :: d_step {
       at[me] == SLEEP ->
       if
       :: word != seen[me] && !BROKEN(sleep_on_the_word_read) ->
         printf("%d does not sleep: the word is %d\n", me, word); at[me] = LOOK_AGAIN
       :: else -> printf("%d sleeps\n", me); at[me] = ASLEEP
       fi;
       seen[me] = 0
     }
  :: d_step { at[me] == ASLEEP && timed[me] -> printf("%d: the deadline is over\n", me); at[me] = LOOK_AGAIN }
  /* 4. Only where it helps: slices for nothing would be endless. */
  :: d_step {
       at[me] == ASLEEP && SETTING(SLICES) && !BROKEN(slice) && IS_FREE(me) ->
       printf("%d: the slice is over\n", me); at[me] = LOOK_AGAIN
     }
  /* 3 */
  :: d_step {
       at[me] == LOOK_AGAIN ->
       if
       :: IS_FREE(me) -> take(); at[me] = CLEAR_PRESENCE
       :: else -> printf("%d looks: taken\n", me); at[me] = READ_WORD
       fi
     }
  :: d_step {
       at[me] == LOOK_AGAIN && timed[me] && (!IS_FREE(me) || BROKEN(look_before_deadline)) ->
       printf("%d gives up\n", me); at[me] = GIVE_UP
     }
  :: d_step { at[me] == GIVE_UP -> present[me] = 0; printf("%d is present no more\n", me); next_turn() }
  :: d_step {
       at[me] == CLEAR_PRESENCE ->
       present[me] = 0;
       printf("%d is present no more\n", me);
       at[me] = (shares[me] -> LOOK_FOR_SHARERS : WRITE_RECORD)
     }
  /* 6 */
  :: d_step {
       at[me] == LOOK_FOR_SHARERS ->
       printf("%d looks who is present\n", me);
       at[me] = (ANYBODY_PRESENT && !BROKEN(sharer_wakes_others) -> WAKE_SHARERS : INSIDE)
     }
  :: d_step {
       at[me] == WAKE_SHARERS ->
       change_word();
       if :: at[1] == ASLEEP -> at[1] = LOOK_AGAIN :: else fi;
       if :: at[2] == ASLEEP -> at[2] = LOOK_AGAIN :: else fi;
       if :: at[3] == ASLEEP -> at[3] = LOOK_AGAIN :: else fi;
       if :: at[4] == ASLEEP -> at[4] = LOOK_AGAIN :: else fi;
       printf("%d wakes all\n", me);
       at[me] = INSIDE
     }
  /* the record holds the word */
  :: d_step { at[me] == WRITE_RECORD -> change_word(); printf("%d writes its record\n", me); at[me] = INSIDE }
  /* 6: it has the lock and can't use it */
  :: d_step {
       at[me] == WRITE_RECORD && failures ->
       failures--;
       let_loose(me);
       printf("%d fails and unlocks\n", me);
       if :: BROKEN(failure_wakes) -> next_turn() :: else -> at[me] = LOOK_FOR_PRESENCE fi
     }
  /* 5 */
  :: d_step {
       at[me] == INSIDE && !stays[me] ->
       if :: BROKEN(unlock_before_wake) -> skip :: else -> let_loose(me); printf("%d unlocks\n", me) fi;
       at[me] = LOOK_FOR_PRESENCE
     }
  :: d_step {
       at[me] == LOOK_FOR_PRESENCE ->
       printf("%d looks who is present\n", me);
       if
       :: OTHERS_PRESENT && !BROKEN(presence_is_seen) -> at[me] = WAKE
       :: else -> woken()
       fi
     }
  :: d_step { at[me] == WAKE && at[1] == ASLEEP -> wake(1) }
  :: d_step { at[me] == WAKE && at[2] == ASLEEP -> wake(2) }
  :: d_step { at[me] == WAKE && at[3] == ASLEEP -> wake(3) }
  :: d_step { at[me] == WAKE && at[4] == ASLEEP -> wake(4) }
  :: d_step {
       at[me] == WAKE && at[1] != ASLEEP && at[2] != ASLEEP && at[3] != ASLEEP && at[4] != ASLEEP -> wake(0)
     }
  :: d_step { at[me] == UNLOCK_LATE -> let_loose(me); printf("%d unlocks\n", me); next_turn() }
  od
}

/* As inspect() may do, and whoever examines an orphan: its instant can meet the look of one who was just woken. */
proctype prober(byte me) {
  end: do
  :: d_step { at[me] == PROBE && probes && IS_FREE(me) -> holder = me; printf("a prober locks\n"); at[me] = UNPROBE }
  :: d_step { at[me] == UNPROBE -> holder = 0; probes--; printf("a prober unlocks\n"); at[me] = PROBE }
  od
}

inline kill(victim) {
  printf("%d is killed\n", victim);
  crashes--;
  let_loose(victim);
  at[victim] = NOWHERE;
  present[victim] = 0;
  seen[victim] = 0;
  turns[victim] = 0;
  if :: started < victim -> started = victim :: else fi
}

proctype killer() {
  end: do
  :: d_step { crashes && at[1] > FINISHED -> kill(1) }
  :: d_step { crashes && at[2] > FINISHED -> kill(2) }
  :: d_step { crashes && at[3] > FINISHED -> kill(3) }
  :: d_step { crashes && at[4] > FINISHED -> kill(4) }
  :: d_step { crashes -> crashes = 0 }
  od
}

#define SLEEPS_IN_VAIN(actor) (at[actor] == ASLEEP && IS_FREE(actor))

/* The last ones of the processes are sharers, the first sharers stay, the first ones of all have a deadline. */
#define FIRST_SHARER (SETTING(PROCESSES) - SETTING(SHARERS) + 1)

init {
  byte i = 1;
  atomic {
    c_code { read_settings(); };
    d_step {
      crashes = SETTING(CRASHES);
      failures = SETTING(FAILURES);
      probes = SETTING(PROBES);
      started = (SETTING(TIMED) || SETTING(SHARERS) -> 4 : 0);
      do
      :: i <= SETTING(PROCESSES) ->
        at[i] = TRY;
        turns[i] = 1 + SETTING(MORE_TURNS);
        timed[i] = (i <= SETTING(TIMED));
        shares[i] = (i >= FIRST_SHARER);
        stays[i] = (shares[i] && i < FIRST_SHARER + SETTING(STAYING_SHARERS));
        i++
      :: else -> break
      od;
      i = 1
    };
    do
    :: i <= SETTING(PROCESSES) -> run lockkit(i); i++
    :: else -> break
    od;
    if :: crashes -> run killer() :: else fi;
    if :: probes -> at[PROBER] = PROBE; run prober(PROBER) :: else fi;
    i = 0
  }
  timeout ->
    PROMISE(!SLEEPS_IN_VAIN(1) && !SLEEPS_IN_VAIN(2) && !SLEEPS_IN_VAIN(3) && !SLEEPS_IN_VAIN(4), "lost wake-up")
}
