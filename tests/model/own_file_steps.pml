  /* 6, own file: its lock and its record exist before its name does. Only the guard's holder makes T. */
  :: d_step {  /* no link would fail where it has no name left */
       at[me] == LOOK_FOR_GUARD ->
       printf("%d looks: its guard has %d names\n", me, links[MY_GUARD]);
       if
       :: !links[MY_GUARD] && !BROKEN(own_file_looks_for_guard) && is_verifying(me) -> lost()
       :: !links[MY_GUARD] && !BROKEN(own_file_looks_for_guard) && !is_verifying(me) -> at[me] = RESTART
       :: else -> at[me] = (method[me] == 1 -> UNLINK_OLD_OWN : PLANT_BY_CREATION)
       fi
     }
  :: d_step {
       at[me] == UNLINK_OLD_OWN ->
       printf("%d unlinks an old own file, if there is one\n", me);
       if :: T[MY_GUARD] -> unlink_name(T[MY_GUARD]) :: else fi;
       at[me] = CREATE_OWN
     }
  :: d_step {
       at[me] == CREATE_OWN ->
       make_file(own[me]);
       T[MY_GUARD] = own[me];
       printf("%d creates its own file (inode %d)\n", me, own[me]);
       at[me] = (BROKEN(own_file_is_locked_first) -> WRITE_OWN : LOCK_OWN)
     }
  :: d_step { at[me] == LOCK_OWN -> lock[own[me]] = me; printf("%d locks its own file\n", me); at[me] = WRITE_OWN }
  :: d_step { at[me] == WRITE_OWN -> record[own[me]] = me; printf("%d writes into it\n", me); at[me] = RENAME_OWN }
  :: d_step {
       at[me] == RENAME_OWN ->
       if
       :: P && !BROKEN(rename_replaces_nothing) -> printf("%d renames: P exists\n", me); at[me] = EXAMINE
       :: else ->
         if :: P -> remove_P() :: else fi;
         P = own[me];
         T[MY_GUARD] = 0;
         mine[me] = P;
         printf("%d renames its own file (inode %d) to P and is inside\n", me, P);
         enter(me);
         at[me] = (BROKEN(own_file_is_locked_first) -> LOCK_OWN_LATE : INSIDE)
       fi
     }
  :: d_step {
       at[me] == LOCK_OWN_LATE ->
       if :: !lock[own[me]] -> lock[own[me]] = me :: else fi;
       printf("%d locks its own file only now\n", me);
       at[me] = INSIDE
     }
  :: d_step {
       at[me] == UNLOCK_OWN -> printf("%d unlocks its own file, if it has one\n", me); close_file(me, own[me]); at[me] = UNLOCK
     }

  /* 6, exclusive creation */
  :: d_step {
       at[me] == CREATE_P ->
       if
       :: P -> printf("%d creates P: it exists\n", me); at[me] = EXAMINE
       :: else ->
         make_file(own[me]);
         P = own[me];
         printf("%d creates P (inode %d)\n", me, P);
         at[me] = LOCK_P
       fi
     }
  :: d_step { at[me] == LOCK_P -> lock[own[me]] = me; printf("%d locks it\n", me); at[me] = WRITE_P }
  :: d_step {
       at[me] == WRITE_P ->
       record[own[me]] = me;
       mine[me] = own[me];
       note[MY_GUARD] = 0;
       printf("%d writes into it and is inside\n", me);
       enter(me);
       at[me] = INSIDE
     }
  /* A draft: a note in the guard, by which the next holder takes P for a crashed predecessor's. */
  :: d_step {
       at[me] == READ_NOTE ->
       printf("%d reads its guard for a note\n", me);
       if
       :: note[MY_GUARD] && P -> printf("%d unlinks P (inode %d)\n", me, P); remove_P()
       :: else
       fi;
       at[me] = WRITE_NOTE
     }
  :: d_step { at[me] == WRITE_NOTE -> note[MY_GUARD] = 1; printf("%d writes its note\n", me); at[me] = CREATE_P }
