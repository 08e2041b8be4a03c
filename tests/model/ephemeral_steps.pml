  /* Still locked: who opened this guard before will find that it has no name left, and begins again (rule 4). */
  :: d_step { at[me] == COMPARE_GUARD_NAME -> at[me] = REMOVED }
  :: d_step {
       at[me] == COMPARE_GUARD_NAME && G == MY_GUARD && links[G] == 1 ->
       if :: BROKEN(guard_removed_while_locked) -> lock[MY_GUARD] = 0; printf("%d unlocks\n", me) :: else fi;
       printf("%d looks: G is its guard\n", me);
       at[me] = UNLINK_GUARD
     }
  :: d_step {
       at[me] == UNLINK_GUARD ->
       if :: G -> printf("%d unlinks G (inode %d)\n", me, G); unlink_name(G) :: else fi;
       at[me] = REMOVED
     }
