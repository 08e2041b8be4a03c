  /* 2: two names, one of which is P; or lockkit's mark; or its holder has released meanwhile */
  :: d_step {
       at[me] == CHECK_NAME ->
       printf("%d checks G (inode %d): is P its other name?\n", me, MY_GUARD);
       at[me] = (P == MY_GUARD && links[MY_GUARD] == 2 -> LOCK_GUARD : CHECK_MARK)
     }
  :: d_step {
       at[me] == CHECK_MARK ->
       printf("%d checks G: written by %d\n", me, record[MY_GUARD]);
       at[me] = (IS_LOCKKIT(record[MY_GUARD]) -> LOCK_GUARD : CHECK_AGAIN)
     }
  :: d_step {
       at[me] == CHECK_AGAIN ->
       printf("%d checks G: %d names\n", me, links[MY_GUARD]);
       if
       :: links[MY_GUARD] > 1 || BROKEN(guard_looked_at_again) ->
         PROMISE(record[MY_GUARD] == SOMEBODYS_DATA, "lockkit's own guard is refused");
         close_file(me, MY_GUARD);
         at[me] = FINISHED
       :: else -> at[me] = LOCK_GUARD
       fi
     }
