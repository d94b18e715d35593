#!/bin/sh
# Compares what two commits take to build and test: processor time (user and system), stage by stage, side by side.
# Usage: bench/build_time.sh [OLD [NEW]], by default 12c6096 and HEAD; JOBS=2 for another number of compilers at a time.
#
# Both are built from nothing in a temporary folder, as scripts/demo.sh and scripts/test.sh build, without a compiler
# cache. Times are of one run: on a busy machine those of both commits grow.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
old=${1:-12c6096}
new=${2:-HEAD}
jobs=${JOBS:-$(nproc)}
export CCACHE_DISABLE=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for side in old new; do
    eval "commit=\$$side"
    git clone --quiet --no-checkout "$root" "$work/$side"
    git -C "$work/$side" checkout --quiet "$commit"
done

# spent NAME COMMAND...: runs the command on both sides, and prints the seconds of processor time that each took.
spent() {
    name=$1
    shift
    for side in old new; do
        (cd "$work/$side" && /usr/bin/time -f '%U %S' -o "$work/$side.time" "$@" >"$work/$side.log" 2>&1) || {
            tail -n 20 "$work/$side.log" >&2
            exit 1
        }
    done
    paste -d ' ' "$work/old.time" "$work/new.time" >>"$work/all"
    tail -n 1 "$work/all" | show "$name"
}

# show NAME: the sums of lines "old user, old system, new user, new system".
show() {
    awk -v name="$1" '{ old += $1 + $2; new += $3 + $4 }
        END { printf "%-34s %8.1f s %8.1f s   %.2f\n", name, old, new, old > 0 ? new / old : 0 }'
}

# shellcheck disable=SC2016  # the dollars are of the inner shell
user_file='printf "#include \"%s\"\n" "$1" >user.cpp && g++ -std=c++20 -O2 -Ibuild/release/include -c user.cpp -o user.o'

printf '%-34s %10s %10s   ratio\n' "processor time, $old and $new" old new
spent 'configure' cmake --preset release
spent 'library' cmake --build build/release -j"$jobs" --target seqgrad
spent 'forecast' cmake --build build/release -j"$jobs" --target forecast
show 'library and forecast' <"$work/all"
spent 'everything else' cmake --build build/release -j"$jobs"
spent 'tests' ctest --test-dir build/release -j"$jobs"
show 'all of scripts/test.sh' <"$work/all"
spent 'seqgrad/seqgrad.hpp in a program' sh -c "$user_file" sh seqgrad/seqgrad.hpp
spent 'seqgrad/core/tensor.hpp' sh -c "$user_file" sh seqgrad/core/tensor.hpp
for side in old new; do
    printf '%s: libseqgrad.a has %s bytes\n' "$side" "$(stat -c %s "$work/$side/build/release/libseqgrad.a")"
done
