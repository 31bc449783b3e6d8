#!/usr/bin/env bash
# Installs the servers that recipes are run against, where they are missing: tests/recipes/proofs.py starts them.
set -euo pipefail

folder=.cache/recipes
bash tools/dev/debian.sh recipes

[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check jupyterhub==6.1.1 devpi-server==6.20.3 kinto==26.5.0

if [ ! -x "$folder/bin/pocketbase" ]; then
    command -v go >/dev/null || { echo "recipe_servers: install Go, which builds PocketBase" >&2; exit 1; }
    GOBIN=$PWD/$folder/bin go install github.com/pocketbase/pocketbase/examples/base@v0.36.0 # a minute or two
    mv "$folder/bin/base" "$folder/bin/pocketbase"
fi
