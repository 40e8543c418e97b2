#!/bin/sh
# Builds the filter in the current folder, filter.py and what it imports, as FOLDER.wasm. componentize-py is fetched from PyPI into TOOLS
# (.tools).
set -eu
sdk=$(dirname "$0")
name=$(basename "$PWD")
tools=${TOOLS:-.tools}
tool=$tools/python/bin/componentize-py
if [ ! -x "$tool" ]; then
    echo "fetching componentize-py from PyPI into $tools" >&2
    python3 -m venv "$tools/python"
    "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check componentize-py==0.25.1
fi

# the interpreter leaves its bytecode beside what it reads
rm -rf build
mkdir -p build/modules build/wit/deps/filter
for file in *; do
    case $file in build | weir | *.wasm) ;; *) cp -r "$file" build/modules/ ;; esac
done
cp -r "$sdk/weir" "$sdk/weir_component.py" build/modules/

# the tool puts every import of a world into the component, used or not: so the world has what the filter's modules import
cp "$sdk/../../wit/filter.wit" build/wit/deps/filter/
contract=$(sed -n 's/^package weir:filter@\(.*\);/\1/p' "$sdk/../../wit/filter.wit")
"$tools/python/bin/python" "$sdk/interfaces.py" build/modules >build/interfaces
{
    echo "package weir:guest;"
    echo "world guest {"
    for interface in http log; do echo "  import weir:filter/$interface@$contract;"; done
    for interface in limits metrics clock random kv tags timer callout secrets; do
        if grep -qx "$interface" build/interfaces; then echo "  import weir:filter/$interface@$contract;"; fi
    done
    # nor may it export what the filter does not
    for interface in connect message completed tick; do
        if grep -qx "$interface" build/interfaces; then echo "  export weir:filter/$interface@$contract;"; fi
    done
    for interface in lifecycle events; do echo "  export weir:filter/$interface@$contract;"; done
    echo "}"
} >build/wit/world.wit

"$tool" --quiet --wit-path build/wit --world guest componentize --stub-wasi --python-path build/modules --output build/component.wasm \
    weir_component
exec "${AGENT:-agent}" filter build build/component.wasm --output "$name.wasm"
