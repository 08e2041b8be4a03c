  /* 11 */
  :: d_step {
       at[me] == INSIDE && inside[me] && verifications[me] ->
       verifications[me]--;
       printf("%d verifies: G is inode %d\n", me, G);
       if
       :: G == MY_GUARD -> verifying[me] = 1; at[me] = VERIFY_NAME
       :: else -> lost()
       fi
     }
  :: d_step {
       at[me] == VERIFY_NAME ->
       printf("%d verifies: P is inode %d\n", me, P);
       if
       :: P && (P == mine[me] || BROKEN(verify_looks_at_name)) -> enter(me); at[me] = INSIDE
       :: P && P != mine[me] && BROKEN(verify_removes_nothing) -> remove_P(); plant_again()
       :: !P -> plant_again()
       :: else -> lost()
       fi
     }
