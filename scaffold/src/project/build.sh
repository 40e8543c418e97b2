#!/bin/sh
# Writes {name}.wasm.
cd "$(dirname "$0")" && exec weir/sdk/{language}/build.sh
