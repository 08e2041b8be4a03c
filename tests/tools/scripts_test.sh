#!/bin/sh
# The lockkit command as scripts use it; run by dash and by bash. LOCKKIT_COMMAND is the program.
# shellcheck disable=SC2016,SC2317 # nothing is to be expanded where it stands; functions are called by expect
set -u
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place" || exit 1
PATH=$(dirname "$LOCKKIT_COMMAND"):$PATH
wrong=0

# expect CODE WHAT COMMAND…
expect() {
  wanted=$1 what=$2
  shift 2
  "$@" >out 2>err
  code=$?
  [ "$code" -eq "$wanted" ] && return
  echo "FAIL: $what: exit code $code, not $wanted: $*"
  sed 's/^/  | /' out err
  wrong=1
}

# An old script's lock excludes the command, and is excluded by it.
old_script() {
  (set -C; : >l) 2>/dev/null || return 1 # dash says 2
}
expect 0 "an old script takes a free lock" old_script
expect 75 "the command respects it" lockkit run l --try -- true
expect 75 "also acquire does" lockkit acquire l --for-pid $$ --timeout 0
rm l
expect 0 "acquire takes it once it is free" lockkit acquire l --for-pid $$
expect 1 "and excludes the old script" old_script

# `read` gives a PID that lives for as long as the lock is held.
read -r holder rest <l
expect 0 "its first line is the holder's PID" kill -0 "$holder"
expect 0 "for a script that looks for it" lockkit status l
grep -q "held for: pid $$ " out || { echo "FAIL: status does not name this script"; cat out; wrong=1; }

# A subshell shares the hold of its script; others do not.
expect 75 "a second acquire for the same process is told at once" lockkit acquire l --for-pid $$ --timeout never
expect 65 "another process may not release it" lockkit release l --for-pid $PPID
(expect 0 "a subshell may" lockkit release l --for-pid $$; exit $wrong) || wrong=1
expect 0 "then it is free" old_script
rm l

# Until the end of a script, however it ends.
sh -c 'lockkit acquire l --for-pid $$ || exit 99; kill -9 $$' 2>/dev/null
expect 0 "the script was killed with the lock" test $? -eq 137
expect 0 "and the next one gets it" lockkit run l --timeout 30 -- true

# The code of a command, in conditions and pipes.
expect 7 "the command's code" lockkit run l -- sh -c 'exit 7'
if lockkit run l --try -- true; then :; else echo "FAIL: not taken"; wrong=1; fi
[ "$(echo one two | lockkit run l -- cat)" = "one two" ] || { echo "FAIL: the standard input is not the command's"; wrong=1; }
[ "$(lockkit run l -- printf '%s|' a 'b c' '' '$x')" = 'a|b c||$x|' ] || { echo "FAIL: words are changed"; wrong=1; }
expect 0 "a path that begins with a dash" lockkit run -- -l -- test -e ./-l
expect 0 "and in the other commands" lockkit wait --timeout 0 -- -l
expect 65 "in release, too" lockkit release -- -l

# Nested locks, and the same lock twice.
expect 0 "another lock inside" lockkit run l -- lockkit run m -- test -e l -a -e m
expect 75 "the same lock inside" lockkit run l -- lockkit run l --try -- true

# A script's leftover.
sh -c 'echo $$ >l'
expect 75 "a dead script's lock is respected" lockkit run l --try -- true
expect 0 "until it is broken" lockkit break l
expect 0 "then it can be taken" lockkit run l --try -- true

# Names that a shell would act on.
for name in '; touch planted' '$(touch planted)' '`touch planted`' 'a
b' '*' 'a b' "'" '"' '|touch planted' '&touch planted'; do
  expect 0 "a name" lockkit run "$name" -- true
  expect 0 "a name" lockkit status --json "$name"
  expect 0 "a name" lockkit acquire "$name" --for-pid $$
  expect 0 "a name" lockkit release "$name"
  expect 0 "a label" lockkit run l --label "$name" -- lockkit status --json l
done
expect 1 "nothing was executed" test -e planted
expect 0 "clean" lockkit clean .
exit $wrong
