#!/bin/sh
# Runs the README's two commands, with warnings as errors, in a fresh system of another release, and builds everything with
# each further compiler that the release has.
# Usage, as root: scripts/check_distribution.sh RELEASE [FOLDER], such as trixie; the system is made in FOLDER and stays there
# for the next run, or in a temporary folder. COMPILERS: the further ones, by default g++-13, g++-14 and clang++-19.
#
# What is checked is the last commit. The system comes from debootstrap's own mirror of the release.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
release=${1:?usage: scripts/check_distribution.sh RELEASE [FOLDER]}
compilers=${COMPILERS-g++-13 g++-14 clang++-19}

scripts/install_dependencies.sh distribution
if [ -n "${2:-}" ]; then
    root=$2
    mkdir -p "$root"
else
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
fi

if [ ! -e "$root/etc/debian_version" ]; then
    printf 'Making a system of %s in %s\n' "$release" "$root"
    debootstrap --variant=minbase "$release" "$root" >"$root.log" 2>&1 || {
        tail -n 20 "$root.log" >&2
        exit 1
    }
fi
rm -rf "$root/seqgrad"
git clone --quiet --no-hardlinks "$source" "$root/seqgrad"

cat >"$root/check.sh" <<'END'
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
cd /seqgrad
begin() { printf '\n=== %s (%s s)\n' "$1" $(($(date +%s) - start)); }
start=$(date +%s)
. /etc/os-release
begin "$PRETTY_NAME: scripts/demo.sh"
scripts/demo.sh
begin 'scripts/test.sh ci'
scripts/test.sh ci
for compiler in $COMPILERS; do
    package=$(printf %s "$compiler" | sed 's/^clang++/clang/')
    if ! apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
        begin "$compiler: this release has none"
        continue
    fi
    begin "$compiler: library, tests, tools and examples"
    apt-get install -y --no-install-recommends "$package" >/dev/null
    cmake --preset ci -B "build/$compiler" -DCMAKE_CXX_COMPILER="$compiler" -DSEQGRAD_PRECOMPILE_HEADERS=ON >/dev/null
    cmake --build "build/$compiler"
done
begin 'All passed. What they were built with'
dpkg-query -W -f '${Package} ${Version}\n' $(sed -n "s/^[a-z]*='\(.*\)'$/\1/p" scripts/install_dependencies.sh) 2>/dev/null
END
# In a mount namespace of its own, so that nothing stays mounted.
unshare --mount sh -eu -c '
    mount -t proc proc "$1/proc"
    [ -e "$1/dev/null" ] && [ -e "$1/dev/urandom" ]
    exec chroot "$1" env -i COMPILERS="$2" sh /check.sh' sh "$root" "$compilers"
