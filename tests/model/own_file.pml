/* Rule 6: what its steps (own_file_steps.pml) share. */
byte method[ACTORS];       /* 0: link, 1: own file, 2: exclusive creation */
byte T[INODES];            /* the own file's first name, by its guard */
bit note[INODES];          /* in a guard: "a file of mine is about to appear". The draft that failed */


#define PLANT_BY_CREATION (BROKEN(no_notes) -> READ_NOTE : CREATE_P)
#define PLANT (method[me] -> LOOK_FOR_GUARD : LINK)
#define PLANT_AGAIN (method[me] == 1 -> RENAME_OWN : (method[me] == 2 -> CREATE_P : LINK))
#define REMOVED UNLOCK_OWN

inline drop_own_file() {
  if
  :: method[me] == 1 ->
    if :: T[guard[me]] -> unlink_name(T[guard[me]]) :: else fi;
    close_file(me, own[me])
  :: else
  fi
}

c_decl {
  /* METHODS has one digit for each process. */
  static int method_of(int actor) {
    static const int power[] = {0, 1000, 100, 10, 1};
    return settings[SETTING_METHODS] / power[actor] % 10;
  }
};

inline read_methods() {
  c_code {
    int actor;
    for (actor = 1; actor <= 4; ++actor) now.method[actor] = method_of(actor);
    for (actor = 2; actor <= 4; ++actor) if (now.method[actor] != now.method[1]) now.started = 4;  /* not equal */
  }
}
