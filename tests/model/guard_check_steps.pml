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
         PROMISE(record[MY_GUARD] == SOMEBODYS_DATA || foreign[MY_GUARD], "lockkit's own guard is refused");
         close_file(me, MY_GUARD);
         at[me] = FINISHED
       :: else -> at[me] = LOCK_GUARD
       fi
     }
  /* 2 at 3: not lockkit's content. How many names it has, and whether G is one of them */
  :: d_step {
       at[me] == WRITE_RECORD && record[MY_GUARD] == SOMEBODYS_DATA && !BROKEN(junk_is_checked) ->
       printf("%d reads its guard: not lockkit's\n", me);
       at[me] = COUNT_NAMES
     }
  :: d_step {
       at[me] == COUNT_NAMES ->
       printf("%d looks: its guard has %d names\n", me, links[MY_GUARD]);
       if
       :: links[MY_GUARD] > 1 -> close_file(me, MY_GUARD); at[me] = FINISHED
       :: links[MY_GUARD] == 1 -> at[me] = COMPARE_GUARD
       :: !links[MY_GUARD] -> at[me] = RESTART
       fi
     }
  :: d_step {
       at[me] == COMPARE_GUARD ->
       printf("%d looks: G is inode %d\n", me, G);
       at[me] = (G == MY_GUARD -> WRITE_OVER : RESTART)
     }
  :: d_step {
       at[me] == WRITE_OVER ->
       PROMISE(!links[MY_GUARD] || (G == MY_GUARD && links[MY_GUARD] == 1), "somebody's data is overwritten");
       record[MY_GUARD] = me;
       printf("%d writes its record\n", me);
       at[me] = PLANT
     }
