#!/bin/sh
# Installs what is missing, builds library, tests and examples, and runs every test.
# Usage: scripts/test.sh [PRESET], with a preset of CMakePresets.json; `release` without one.
set -eu
cd "$(dirname "$0")/.."
preset=${1:-release}

scripts/install_dependencies.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset"
