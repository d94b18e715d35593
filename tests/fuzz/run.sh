#!/bin/sh
# Builds the fuzz programs and runs each for a while, two at a time.
# Usage: tests/fuzz/run.sh [SECONDS [PROGRAM]...], by default 60 and all: checkpoint, csv, csv_series, hdf5_texts,
# json_file, keras_config, keras_index, model, safetensors, text and weights.
#
# Every run begins with the corpus of those before it, in build/asan/fuzz/corpus. It fails for what a sanitizer reports,
# for an exception that is none of the reader's, a leak, more memory than such small inputs may take, and an input that
# takes more than a second, also when it is tried again by itself: a busy machine makes any input slow.
set -eu
cd "$(dirname "$0")/../.."
programs=build/asan/tests/fuzz
build=build/asan/fuzz
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- checkpoint csv csv_series hdf5_texts json_file keras_config keras_index model safetensors text weights

[ -f build/asan/build.ninja ] || cmake --preset asan >/dev/null
cmake --build --preset asan --target fuzz_programs

export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16:malloc_context_size=2"
limits='-timeout=1 -rss_limit_mb=512 -malloc_limit_mb=64'
rm -rf $build/seeds
mkdir -p $build
$programs/fuzz_seeds $build/seeds

# What a program was doing when it stopped: nothing wrong where it only was a slow moment.
confirm() {
    for input in "$build/artifacts/$1"/*; do
        [ -f "$input" ] || continue
        # shellcheck disable=SC2086  # options
        if "$programs/$1_fuzz" $limits "$input" >"$input.log" 2>&1; then
            rm "$input" "$input.log"
        else
            return 1
        fi
    done
}

run() {
    corpus=$build/corpus/$1
    mkdir -p "$corpus" "$build/artifacts/$1"
    log=$build/$1.log
    end=$(($(date +%s) + seconds))
    : >"$log"
    while left=$((end - $(date +%s))) && [ $left -gt 0 ]; do
        # shellcheck disable=SC2086
        if ! "$programs/$1_fuzz" $limits -max_total_time=$left -max_len=4096 -print_final_stats=1 \
            -dict="tests/fuzz/dictionaries/$1.dict" -artifact_prefix="$build/artifacts/$1/" \
            "$corpus" "$build/seeds/$1" >>"$log" 2>&1; then
            confirm "$1" || return 1
        fi
    done
}

report() {
    executions=$(awk '/^stat::number_of_executed_units/ { n += $2 } END { print n + 0 }' "$build/$1.log")
    peak=$(awk '/^stat::peak_rss_mb/ { if ($2 > n) n = $2 } END { print n + 0 }' "$build/$1.log")
    printf '%-12s %12d executions, %9d a second, at most %d MB\n' "$1" "$executions" \
        $((executions / (seconds > 0 ? seconds : 1))) "$peak"
    total=$((total + executions))
}

failed=
total=0
while [ $# -gt 0 ]; do
    first=$1
    second=${2:-}
    shift
    [ -z "$second" ] || shift
    run "$first" &
    first_id=$!
    second_id=
    if [ -n "$second" ]; then
        run "$second" &
        second_id=$!
    fi
    wait $first_id || failed="$failed $first"
    [ -z "$second_id" ] || wait $second_id || failed="$failed $second"
    for program in $first $second; do report "$program"; done
done
printf '%-12s %12d executions\n' total "$total"

for program in $failed; do
    printf '\n%s failed; to repeat it: %s/%s_fuzz %s/artifacts/%s/*\n' "$program" $programs "$program" $build \
        "$program"
    tail -n 40 "$build/$program.log"
done
[ -z "$failed" ]
