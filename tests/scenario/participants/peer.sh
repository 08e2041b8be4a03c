#!/bin/sh
# peer.sh: takes and gives back locks when told to. Reads lines "KIND VERB PATH"; VERB is `enter`, which tries once, or
# `leave`. Answers each with one line: `in`, `out`, `error` (it could not even try), `absent` (not installed), `left`.
# KIND: noclobber, flock, dotlockfile, lockfile. Run it with the shell that is meant.
set -C

answer_for() {
  case $1 in
    0) echo in ;;
    "$2") echo out ;;
    *) echo error ;;
  esac
}

enter() {
  case $1 in
    noclobber)
      if { echo "$$" > "$2"; } 2>/dev/null; then echo in; else echo out; fi
      ;;
    flock)
      { exec 9>> "$2"; } 2>/dev/null || { echo error; return; }
      flock -n 9 </dev/null 2>/dev/null
      answer_for $? 1
      ;;
    dotlockfile)
      dotlockfile -l -r 0 "$2" </dev/null 2>/dev/null
      answer_for $? 4 # L_MAXTRYS
      ;;
    lockfile)
      lockfile -r 0 "$2" </dev/null 2>/dev/null
      answer_for $? 73 # EX_CANTCREAT
      ;;
  esac
}

leave() {
  case $1 in
    flock) exec 9>&- ;;
    dotlockfile) dotlockfile -u "$2" </dev/null ;;
    *) rm -f "$2" ;;
  esac
  echo left
}

while read -r kind verb path; do
  if [ "$kind" != noclobber ] && ! command -v "$kind" >/dev/null; then
    echo absent
  else
    "$verb" "$kind" "$path"
  fi
done
