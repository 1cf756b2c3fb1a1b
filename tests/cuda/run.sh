#!/bin/sh
# Runs a program built for CUDA on the stand-in for a device of `driver.cpp`: every kernel, launch and copy as on a GPU, computed by
# one core, thousands of times as slowly. Needs g++.
#
#   sh tests/cuda/run.sh target/release/mammoscope read assets/demo/demo.dcm --out /tmp/out --device cuda
#
# LATE=0 and REVERSE=1 change the order of what is not ordered (`emulate.h`), GPU_MEMORY=BYTES bounds the memory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(mktemp -d)
trap 'rm -r "$libraries"' EXIT
g++ -std=c++20 -O3 -march=native -fno-math-errno -Wall -Wno-unknown-pragmas -shared -fPIC -fvisibility=hidden \
  -o "$libraries/libcuda.so.1" "$here/driver.cpp"
# All three are one library, so that there is one state.
ln -s libcuda.so.1 "$libraries/libcublas.so.13"
ln -s libcuda.so.1 "$libraries/libcurand.so.10"
LD_LIBRARY_PATH="$libraries" "$@"
