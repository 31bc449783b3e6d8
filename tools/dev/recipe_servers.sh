#!/usr/bin/env bash
# Installs the servers that recipes are run against, where they are missing: tests/recipes/proofs.py starts them.
set -euo pipefail

folder=.cache/recipes
bash tools/dev/debian.sh recipes

[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check \
    jupyterhub==6.1.1 devpi-server==6.20.3 kinto==26.5.0 matrix-synapse==1.120.0 \
    prometheus-client==0.21.1 # a later one does not go with this Synapse

built() { # NAME PACKAGE PROGRAM: builds NAME, a minute or two, from a package whose program is called so
    [ ! -x "$folder/bin/$1" ] || return 0
    command -v go >/dev/null || { echo "recipe_servers: install Go, which builds $1" >&2; exit 1; }
    GOBIN=$PWD/$folder/bin go install "$2"
    mv "$folder/bin/$3" "$folder/bin/$1"
}
built pocketbase github.com/pocketbase/pocketbase/examples/base@v0.36.0 base
built miniflux miniflux.app/v2@v2.2.10 miniflux.app
