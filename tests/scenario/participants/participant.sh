#!/bin/sh
# participant.sh KIND DIRECTORY NAME: takes turns under the lock DIRECTORY/l until DIRECTORY/stop appears; the number of
# its turns so far stands in DIRECTORY/turns.NAME. Runs in any POSIX shell.
# KIND: noclobber    the shell's own exclusive creation
#       none         ignores the lock: the witness must report it
set -C
place=$2

case $1 in
  noclobber)
    take() { { echo "$$" > "$place/l"; } 2>/dev/null; }
    give() { rm "$place/l"; }
    ;;
  none)
    take() { true; }
    give() { true; }
    ;;
esac

# The witness: a link that can be made by one at a time, and a count that loses updates when two overlap. Who was killed
# inside left the link behind, and the file dead.NAME was made before.
turn() {
  until ln -sn "$3" "$place/entered" 2>/dev/null; do
    who=$(readlink "$place/entered")
    if [ -e "$place/dead.$who" ]; then
      rm -f "$place/entered"
    else
      echo "$3 met $who" >> "$place/overlaps"
      break
    fi
  done
  read -r count < "$place/count"
  echo "$((count + 1))" >| "$place/count"
  rm -f "$place/entered"
}

turns=0
while [ ! -e "$place/stop" ]; do
  if take; then
    turn "$@"
    give
    turns=$((turns + 1))
    echo "$turns" >| "$place/turns.$3"
  else
    sleep 0.002
  fi
done
