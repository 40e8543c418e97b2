#!/bin/sh
# Builds the filter in the current folder, filter.js and what it imports, as FOLDER.wasm. componentize-qjs is fetched from npm into TOOLS
# (.tools).
set -eu
sdk=$(dirname "$0")
name=$(basename "$PWD")
tools=${TOOLS:-.tools}
version=0.4.5
tool=$tools/npm/node_modules/componentize-qjs/cli.mjs
if [ ! -f "$tool" ]; then
    echo "fetching componentize-qjs from npm into $tools" >&2
    mkdir -p "$tools/npm"
    npm install --no-audit --no-fund --loglevel=error --prefix "$tools/npm" "componentize-qjs@$version"
fi

# as npm would leave it: the filter's modules, and the SDK in node_modules/weir
rm -rf build
mkdir -p build/modules/node_modules build/wit/deps/filter
for file in *; do
    case $file in build | weir | *.wasm) ;; *) cp -r "$file" build/modules/ ;; esac
done
cp -r "$sdk" build/modules/node_modules/weir

# the tool puts every import of a world into the component, used or not: so the world has what the filter's modules import
cp "$sdk/../../wit/filter.wit" build/wit/deps/filter/
contract=$(sed -n 's/^package weir:filter@\(.*\);/\1/p' "$sdk/../../wit/filter.wit")
node --experimental-vm-modules --no-warnings "$sdk/interfaces.mjs" build/modules/filter.js >build/interfaces
{
    echo "package weir:guest;"
    echo "world guest {"
    for interface in http log limits metrics clock random kv tags timer callout secrets; do
        if grep -qx "import $interface" build/interfaces; then echo "  import weir:filter/$interface@$contract;"; fi
    done
    # nor may it export what the filter does not
    for interface in lifecycle events connect message completed tick; do
        if grep -qx "export $interface" build/interfaces; then echo "  export weir:filter/$interface@$contract;"; fi
    done
    echo "}"
} >build/wit/world.wit

node "$tool" --sync --stub-wasi --world guest --wit build/wit --js build/modules/filter.js --module-root build/modules \
    --output build/component.wasm >build/log
exec "${AGENT:-agent}" filter build build/component.wasm --output "$name.wasm"
