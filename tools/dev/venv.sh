#!/usr/bin/env bash
# Makes a virtual environment from a requirements file, with the first suitable Python of the machine.
#
#   tools/dev/venv.sh FOLDER REQUIREMENTS [PACKAGE...]     (each PACKAGE a folder, installed as it stands: pip -e)
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

echo "install: Python packages into $venv with $("$python" --version) (about half a minute)"
"$python" -m venv --clear "$venv"
log=$venv/install.log
# Wheels only: building from source would need compilers, and would take minutes instead of seconds.
install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" >>"$log" 2>&1; }
fail() {
    tail -20 "$log" >&2
    echo "install: pip failed; the whole log is in $log" >&2
    exit 1
}
# Wheels only: building from source would need compilers, and would take minutes instead of seconds.
install --only-binary :all: -r "$requirements" || fail
for package in "$@"; do
    install --no-deps --no-build-isolation -e "$package" || fail
done
