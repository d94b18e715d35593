#!/bin/sh
# Installs what is missing, builds the example, and trains a forecaster on a real series.
# Usage: scripts/demo.sh [OPTION]..., with options of examples/forecast; `--series elnino` without one.
#
# What the stages print goes to build/demo.log, of which the end is shown where one fails.
set -eu
folder=$PWD
cd "$(dirname "$0")/.."
root=$PWD
[ $# -gt 0 ] || set -- --series elnino

log=$root/build/demo.log
mkdir -p build
: >"$log"

# stage NUMBER NAME EXPECTED COMMAND...
stage() {
    printf '[%s/3] %s, %s: ' "$1" "$2" "$3"
    shift 3
    start=$(date +%s)
    if ! "$@" >>"$log" 2>&1; then
        printf 'failed after %s s\n' $(($(date +%s) - start))
        tail -n 30 "$log" >&2
        printf 'All output is in %s\n' "$log" >&2
        exit 1
    fi
    printf 'done in %s s\n' $(($(date +%s) - start))
}

# Sources that are still to be compiled; about a second and a half each on one core.
count_sources() {
    ninja -C build/release -t commands forecast | sed -n 's/.* -o \([^ ]*\.o\) -c .*/\1/p' | while read -r object; do
        [ -e "build/release/$object" ] || echo "$object"
    done | wc -l
}

stage 1 'Installing packages' 'up to a minute' scripts/install_dependencies.sh
stage 2 'Configuring' 'a few seconds' cmake --preset release
sources=$(count_sources)
minutes=$((sources * 3 / 2 / $(nproc) / 60 + 1))
[ "$sources" -gt 0 ] && expected="about $minutes min" || expected='nothing to do'
stage 3 "Building $sources sources" "$expected" cmake --build --preset release --target forecast
cd "$folder"
exec "$root/build/release/examples/forecast" "$@"
