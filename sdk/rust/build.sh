#!/bin/sh
# Builds the filter in the current folder, a crate, as FOLDER.wasm. CARGO names another cargo, and CARGO_FLAGS what it is to be told.
set -eu
name=$(basename "$PWD")
target=wasm32-unknown-unknown
cargo=${CARGO:-cargo}
if [ -z "${CARGO:-}" ] && [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    echo "adding the target $target" >&2
    rustup target add "$target"
fi
# shellcheck disable=SC2086 # flags are words
"$cargo" build --quiet --release --target "$target" --target-dir target ${CARGO_FLAGS:-}
crate=$(sed -n 's/^name = "\(.*\)"/\1/p' Cargo.toml | head -n 1 | tr - _)
exec "${AGENT:-agent}" filter build "target/$target/release/$crate.wasm" --output "$name.wasm"
