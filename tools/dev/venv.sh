#!/usr/bin/env bash
# Makes a virtual environment from a requirements file, with the first suitable Python of the machine.
#
#   tools/dev/venv.sh FOLDER REQUIREMENTS [PACKAGE...]     (each PACKAGE a folder, installed as it stands: pip -e)
#
# With uv, where it is installed: seconds instead of half a minute. pip is tried after it, since it knows indexes that
# only its own configuration names.
set -euo pipefail
venv=$1 requirements=$2
shift 2

for python in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14; do
    # A version manager's shim may exist for a version that is not there, and Debian may have Python without venv:
    # only a run tells.
    [ -n "$python" ] && "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    python=
done
if [ -z "$python" ]; then
    echo "install: no Python >= 3.11 with venv found (on Debian: apt-get install python3 python3-venv)" >&2
    exit 1
fi

echo "install: Python packages into $venv with $("$python" --version) (seconds with uv, else about half a minute)"
mkdir -p "$(dirname "$venv")"
log=$(mktemp -t install.XXXXXX.log)
(while sleep 8; do echo "install: still at it"; done) &
trap 'kill $! 2>/dev/null' EXIT

# Wheels only: building from source would need compilers, and would take minutes instead of seconds.
with_uv() {
    command -v uv && uv venv --quiet --clear --seed --no-python-downloads --python "$("$python" -c 'import sys; print(sys.executable)')" "$venv" &&
        uv pip install --quiet --python "$venv/bin/python" --only-binary :all: -r "$requirements" || return
    for package in "$@"; do
        uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e "$package" || return
    done
}
with_pip() {
    local install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2)
    "$python" -m venv --clear "$venv" && "${install[@]}" --only-binary :all: -r "$requirements" || return
    for package in "$@"; do
        "${install[@]}" --no-deps --no-build-isolation -e "$package" || return
    done
}

if ! with_uv "$@" >>"$log" 2>&1 && ! with_pip "$@" >>"$log" 2>&1; then
    if grep -qiE 'dns error|name resolution|network is unreachable|connection refused|connect timeout|error trying to connect' "$log"; then
        echo "install: the package index cannot be reached: check the network, or name your index in pip's configuration (log: $log)" >&2
    else
        tail -20 "$log" >&2
        echo "install: the packages cannot be installed; the whole log is in $log" >&2
    fi
    exit 1
fi
rm -f "$log"
