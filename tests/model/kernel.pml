/* What the models of the lock file share: the kernel's part. Inodes with their links and open descriptions, the names
   P (public) and G (guard), flock, records.

   One system call is one d_step, together with what follows from its answer, so that the length of a counter-example is
   its number of system calls. Where a process stands is in `at`, which names its next call.

   An inode without a name and without an open description is gone, and its number is given to the next file at once,
   as ext4 does it. A lock belongs to a description; no process here has two descriptions of one inode. */

#define INODES 9           /* 0 is no inode */
#define ACTORS 8           /* 1 to 4: lockkit, 5 and 6: scripts, 7: a breaker; 0 is nobody */
#define FIRST_SCRIPT 5
#define LAST_SCRIPT 6
#define SOMEBODYS_DATA 8   /* a content that no actor wrote */

#define SETTINGS(X) \
  X(PROCESSES) X(MORE_TURNS) X(CRASHES) X(SCRIPTS) X(MORE_SCRIPT_TURNS) X(BREAKS) X(REMOVE_P) X(REMOVE_G) X(P_AFTER_CONVERGENCE) \
  X(HOLDERS_MAY_MEET) X(SCRIPTS_MAY_MEET) X(FILES_MAY_GO) X(NOT_IN_THE_WINDOW) X(RECLAIM) X(METHODS) X(VERIFICATIONS) X(VICTIM) X(TRUNCATE)

/* The rules that can be broken. */
#define RULES(X) \
  X(kernel_lock) X(restart) X(adoption_compares) X(orphan_is_locked) X(orphan_is_compared) \
  X(release_compares) X(unlink_before_unlock) X(rename_replaces_nothing) X(own_file_is_locked_first) X(own_file_looks_for_guard) X(no_notes) \
  X(guard_removed_while_locked) X(verify_looks_at_name) X(verify_removes_nothing) \
  X(check_guard) X(junk_is_checked) X(guard_looked_at_again)

/* What only some models have. */
#ifdef FALLBACK
#define forget_inode(inode) note[inode] = 0
#else
#define forget_inode(inode) skip
#endif
#ifndef VERIFYING
#define is_verifying(actor) false
#define has_verified(actor) skip
#define is_overtaken(actor) false
#define overtake_all() skip
#define forget_actor(actor) skip
#define lost() skip
#endif

#include "settings.pml"
#include "steps.pml"

byte links[INODES], opens[INODES], lock[INODES];
byte record[INODES];       /* who wrote it; 0: empty */
bit foreign[INODES];       /* a script made it */
byte P, G;

#define NOWHERE 0
#define FINISHED 1         /* and every step of a process is greater */
byte at[ACTORS];
bit inside[ACTORS];        /* in the critical section */
byte guard[ACTORS], own[ACTORS], orphan[ACTORS];  /* open descriptions; a script's file is its guard */
byte mine[ACTORS];         /* the inode that P must name for it to be ours */
byte turns[ACTORS];
byte started;              /* equal processes begin in their order: another order would be the same run */

#define IS_RUNNING(actor) (at[actor] > FINISHED)
#define HOLDERS (inside[1] + inside[2] + inside[3] + inside[4])
#define SCRIPTS (inside[5] + inside[6])
#define IS_LOCKKIT(writer) (writer && writer < FIRST_SCRIPT)
#define IS_DEAD_SCRIPT(writer) (writer >= FIRST_SCRIPT && writer <= LAST_SCRIPT && !IS_RUNNING(writer))

inline let_go(inode) {
  if
  :: !links[inode] && !opens[inode] ->
    lock[inode] = 0;
    record[inode] = 0;
    foreign[inode] = 0;
    forget_inode(inode)
  :: else
  fi
}

/* The lowest free number, with one name and one open description. */
inline make_file(number) {
  number = 1;
  do
  :: number < INODES && (links[number] || opens[number]) -> number++
  :: else -> break
  od;
  PROMISE(number < INODES, "too few inodes in the model");
  opens[number] = 1;
  links[number] = 1
}

inline open_file(description, inode) {
  description = inode;
  opens[inode]++
}

inline close_file(actor, description) {
  if
  :: description ->
    if :: lock[description] == actor -> lock[description] = 0 :: else fi;
    opens[description]--;
    let_go(description);
    description = 0
  :: else
  fi
}

inline unlink_name(name) {
  links[name]--;
  let_go(name);
  name = 0
}

/* What lockkit promises to who comes in. */
inline enter(actor) {
  if
  :: is_verifying(actor) ->
    PROMISE(!is_overtaken(actor) || (HOLDERS == 1 && !SCRIPTS), "verified although another came in since");
    has_verified(actor)
  :: else ->
    PROMISE(!HOLDERS || SETTING(HOLDERS_MAY_MEET), "two lockkit holders");
    PROMISE(!SCRIPTS || SETTING(SCRIPTS_MAY_MEET), "lockkit and a script both inside");
    overtake_all()
  fi;
  inside[actor] = 1
}

/* lockkit removes P, whatever it names by now. */
inline remove_P() {
  PROMISE(!foreign[P] || IS_DEAD_SCRIPT(record[P]) || SETTING(FILES_MAY_GO), "a script's file is deleted");
  unlink_name(P)
}
