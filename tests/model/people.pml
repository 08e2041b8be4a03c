/* What happens to lockkit's processes: kill -9 before any step, careless people, scripts, and those who judge by PID.
   And the beginning and end of every run. */

byte crashes, removals_of_P, removals_of_G, truncations, breaks;

inline kill(victim) {
  printf("%d is killed\n", victim);
  crashes--;
  at[victim] = NOWHERE;
  inside[victim] = 0;
  mine[victim] = 0;
  turns[victim] = 0;
  if :: started < victim && victim < FIRST_SCRIPT -> started = victim :: else fi;
  close_file(victim, guard[victim]);
  close_file(victim, own[victim]);
  close_file(victim, orphan[victim]);
  forget_actor(victim)
}

proctype killer() {
  end: do
  :: d_step { crashes && IS_RUNNING(1) -> kill(1) }
  :: d_step { crashes && IS_RUNNING(2) -> kill(2) }
  :: d_step { crashes && IS_RUNNING(3) -> kill(3) }
  :: d_step { crashes && IS_RUNNING(4) -> kill(4) }
  :: d_step { crashes && IS_RUNNING(5) -> kill(5) }
  :: d_step { crashes && IS_RUNNING(6) -> kill(6) }
  :: d_step { crashes -> crashes = 0 }  /* no more of them: who is stuck now stays so */
  od
}

/* Whoever still has a guard open has the one that the name leads to. */
#define CONVERGED \
  (G && (!guard[1] || guard[1] == G) && (!guard[2] || guard[2] == G) && (!guard[3] || guard[3] == G) && \
   (!guard[4] || guard[4] == G))

/* Between somebody's last look and what it does then: no call compares and unlinks at once. */
#define IN_THE_WINDOW(actor) (at[actor] == UNLINK || at[actor] == UNLINK_ORPHAN || is_verifying(actor))
#define SOMEBODY_IN_THE_WINDOW (IN_THE_WINDOW(1) || IN_THE_WINDOW(2) || IN_THE_WINDOW(3) || IN_THE_WINDOW(4))

proctype person() {
  end: do
  :: d_step {
       removals_of_P && P && ((!removals_of_G && CONVERGED) || !SETTING(P_AFTER_CONVERGENCE)) &&
       !(SETTING(NOT_IN_THE_WINDOW) && SOMEBODY_IN_THE_WINDOW) ->
       printf("a person: rm P (inode %d)\n", P); removals_of_P--; unlink_name(P)
     }
  :: d_step {
       removals_of_G && G && !(SETTING(NOT_IN_THE_WINDOW) && SOMEBODY_IN_THE_WINDOW) ->
       printf("a person: rm G (inode %d)\n", G); removals_of_G--; unlink_name(G)
     }
  :: d_step { truncations && P -> printf("a person: : > P (inode %d)\n", P); truncations--; record[P] = 0 }
  :: d_step { removals_of_P || removals_of_G -> removals_of_P = 0; removals_of_G = 0 }
  od
}

#define S_CREATE 2
#define S_WRITE 3
#define S_REMOVE 4

/* set -C; echo $$ > P; ...; rm P */
proctype script(byte me) {
  end: do
  :: d_step {
       at[me] == S_CREATE && !P ->
       make_file(guard[me]);
       P = guard[me];
       foreign[P] = 1;
       printf("script %d creates P (inode %d) and is inside\n", me, P);
       PROMISE(!HOLDERS || SETTING(SCRIPTS_MAY_MEET), "lockkit and a script both inside");
       overtake_all();
       inside[me] = 1;
       at[me] = S_WRITE
     }
  :: d_step {
       at[me] == S_WRITE ->
       record[guard[me]] = me;
       printf("script %d writes its PID\n", me);
       at[me] = S_REMOVE
     }
  :: d_step {
       at[me] == S_REMOVE ->
       inside[me] = 0;
       if :: P -> printf("script %d: rm P (inode %d)\n", me, P); unlink_name(P) :: else fi;
       close_file(me, guard[me]);
       turns[me]--;
       if :: turns[me] -> at[me] = S_CREATE :: else -> at[me] = FINISHED fi
     }
  od
}

#define B_LOOK 2
#define B_REMOVE 3

/* Reads the PID, finds it dead, removes the name. */
proctype breaker(byte me) {
  end: do
  :: d_step {
       at[me] == B_LOOK && breaks && P && record[P] && !IS_RUNNING(record[P]) ->
       printf("the breaker judges P (inode %d) dead\n", P);
       breaks--;
       at[me] = B_REMOVE
     }
  :: d_step {
       at[me] == B_REMOVE ->
       if :: P -> printf("the breaker: rm P (inode %d)\n", P); unlink_name(P) :: else fi;
       at[me] = B_LOOK
     }
  od
}

/* At the end of everything nobody may wait but behind a dead script's file. */
#define WAITS_IN_VAIN(actor) (IS_RUNNING(actor) && !(P && foreign[P]))

init {
  byte i = 1;
  atomic {
    c_code { read_settings(); };
    d_step {
      crashes = SETTING(CRASHES);
      removals_of_P = SETTING(REMOVE_P);
      removals_of_G = SETTING(REMOVE_G);
      truncations = SETTING(TRUNCATE);
      breaks = SETTING(BREAKS);
      do
      :: i < FIRST_SCRIPT && i <= SETTING(PROCESSES) -> turns[i] = 1 + SETTING(MORE_TURNS); at[i] = FIRST_STEP; i++
      :: i >= FIRST_SCRIPT && i <= LAST_SCRIPT && i < FIRST_SCRIPT + SETTING(SCRIPTS) ->
           turns[i] = 1 + SETTING(MORE_SCRIPT_TURNS); at[i] = S_CREATE; i++
      :: i > LAST_SCRIPT -> break
      :: else -> i++
      od;
      i = 1
    };
    prepare();
    do
    :: i < ACTORS && at[i] && i < FIRST_SCRIPT -> run lockkit(i); i++
    :: i < ACTORS && at[i] && i >= FIRST_SCRIPT -> run script(i); i++
    :: i < ACTORS && !at[i] -> i++
    :: i == ACTORS -> break
    od;
    if :: crashes -> run killer() :: else fi;
    if :: removals_of_P || removals_of_G || truncations -> run person() :: else fi;
    if :: breaks -> at[7] = B_LOOK; run breaker(7) :: else fi;
    i = 0
  }
  timeout -> PROMISE(!WAITS_IN_VAIN(1) && !WAITS_IN_VAIN(2) && !WAITS_IN_VAIN(3) && !WAITS_IN_VAIN(4), "stuck")
}
