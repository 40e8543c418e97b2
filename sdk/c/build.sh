#!/bin/sh
# Builds the filter in the current folder, every .c in it, as FOLDER.wasm. The compiler is ZIG or `zig`, else Zig's from PyPI,
# fetched into TOOLS (.tools).
set -eu
sdk=$(dirname "$0")
name=$(basename "$PWD")
tools=${TOOLS:-.tools}
zig=${ZIG:-zig}
if ! command -v "$zig" >/dev/null; then
    python=$tools/python/bin/python
    if ! "$python" -c 'import ziglang' 2>/dev/null; then
        echo "fetching Zig from PyPI into $tools" >&2
        python3 -m venv "$tools/python"
        "$python" -m pip install --quiet --disable-pip-version-check ziglang==0.17.1
    fi
    zig="$python -m ziglang"
fi
mkdir -p build
# what the filter does not have it may not export
hooks=
for interface in connect message completed tick; do
    if grep -qw "weir_this_$interface" ./*.c; then hooks="$hooks -DWEIR_EXPORTS_$(echo $interface | tr a-z A-Z)"; fi
done
$zig cc --target=wasm32-wasi -mexec-model=reactor -std=c17 -Os -Wall -Wextra -Wl,--strip-all -Wl,-z,stack-size=65536 $hooks \
    -I "$sdk" ./*.c "$sdk"/src/*.c -o build/core.wasm
exec "${AGENT:-agent}" filter build build/core.wasm --output "$name.wasm"
