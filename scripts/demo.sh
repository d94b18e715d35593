#!/bin/sh
# Installs what is missing, builds the examples, and trains a forecaster on a real series.
# Usage: scripts/demo.sh [OPTION]..., with options of examples/forecast; `--series elnino` without one.
set -eu
folder=$PWD
cd "$(dirname "$0")/.."
root=$PWD
[ $# -gt 0 ] || set -- --series elnino

scripts/install_dependencies.sh
cmake --preset release
cmake --build --preset release --target forecast
cd "$folder"
exec "$root/build/release/examples/forecast" "$@"
