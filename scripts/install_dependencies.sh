#!/bin/sh
# Installs the Debian or Ubuntu packages that are missing. Usage: scripts/install_dependencies.sh [GROUP]...
# with the groups below; without one: library, tests and examples.
set -eu

library='g++ cmake ninja-build libxtensor-dev libxtensor-blas-dev libopenblas-dev libxsimd-dev nlohmann-json3-dev libfmt-dev libhdf5-dev libzip-dev'
tests='doctest-dev libvalijson-dev locales'
examples='libcli11-dev gnuplot-nox'
bench='libbenchmark-dev time'
distribution='debootstrap git'
checks='git clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14'

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

[ $# -gt 0 ] || set -- library tests examples
wanted=
for group in "$@"; do
    case $group in
        library) wanted="$wanted $library" ;;
        tests) wanted="$wanted $tests" ;;
        examples) wanted="$wanted $examples" ;;
        bench) wanted="$wanted $bench" ;;
        checks) wanted="$wanted $checks" ;;
        distribution) wanted="$wanted $distribution" ;;
        *) fail "no group '$group'; the groups are library, tests, examples, bench, checks and distribution" ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get. Install by your own package manager what these Debian packages hold:$wanted"
fi

missing=
for package in $wanted; do
    # shellcheck disable=SC2016  # the dollar is dpkg-query's
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

printf 'Missing packages:%s\n' "$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root() { "$@"; }
elif command -v sudo >/dev/null; then
    as_root() { sudo "$@"; }
else
    fail "to install them takes root, and there is no sudo. Ask an administrator for: apt-get install$missing"
fi

install_missing() {
    # shellcheck disable=SC2086  # a list of packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

# Package lists may be absent (a fresh container) or name versions that the mirror no longer has.
# shellcheck disable=SC2086
if ! apt-get install --simulate --no-install-recommends $missing >/dev/null 2>&1 || ! install_missing; then
    as_root apt-get update || fail "apt-get update failed; is there a network?"
    install_missing || fail "apt-get could not install:$missing. Its message above says why (no network, or a release without them: Debian 12 and Ubuntu 24.04 have all)"
fi
