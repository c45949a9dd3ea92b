# To be sourced. `step NAME COMMAND...` runs a step of a script and notes how long it took; the outermost script that has
# steps ends with a table of all.
if [ -z "${STEP_TIMES:-}" ]; then
  STEP_TIMES=$(mktemp)
  export STEP_TIMES
  trap 'print_step_times $?' EXIT
fi

step() {
  local name=$1 begun=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  echo "$name" > "$STEP_TIMES.under_way"
  "$@"
  rm -f "$STEP_TIMES.under_way"
  printf '%d\t%s\n' $((SECONDS - begun)) "$name" >> "$STEP_TIMES"
  printf -- '-- %s: %d s\n' "$name" $((SECONDS - begun))
}

print_step_times() {
  local seconds name all=0
  printf '\n| step | min:s |\n|---|---|\n'
  while IFS=$'\t' read -r seconds name; do
    printf '| %s | %d:%02d |\n' "$name" $((seconds / 60)) $((seconds % 60))
    all=$((all + seconds))
  done < "$STEP_TIMES"
  printf '| all | %d:%02d |\n' $((all / 60)) $((all % 60))
  [ "$1" -eq 0 ] || echo "failed in: $(cat "$STEP_TIMES.under_way" 2> /dev/null || echo "no step")"
  rm -f "$STEP_TIMES" "$STEP_TIMES.under_way"
}

# So that a build in another folder finds what this one compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
