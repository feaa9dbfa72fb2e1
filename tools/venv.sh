#!/bin/sh
# Makes or refreshes the virtual environment that the Makefile uses.
#
#   tools/venv.sh FOLDER REQUIREMENTS
#
# Installs exactly what REQUIREMENTS locks, with hashes, then this checkout itself as an editable install. The lock is
# complete, so nothing is resolved: pip 23 looks for a newer release than the locked one where a package is asked for
# with an extra, finds no hash for it and stops.
# Everything is compiled to bytecode, as pip does by itself: without it each start compiles anew what it imports.
# PYTHON names the interpreter (3.11 or newer); without it the first fitting one on PATH is taken.
set -eu

folder=$1
requirements=$2

fits() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

fail() {
    echo "$*" >&2
    exit 1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer: name one that is."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "No Python 3.11 or newer is on PATH: install one, or name it, as in 'make test PYTHON=/path/to/python3'."
}

make_folder() {
    python=$(find_python)
    if "$python" -m venv "$folder"; then
        return
    fi
    rm -rf "$folder"
    fail "$python cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt-get install python3-venv) and run make again."
}

install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --compile-bytecode --python "$folder/bin/python" "$@"
    else
        "$folder/bin/python" -m pip --version >/dev/null 2>&1 || "$folder/bin/python" -m ensurepip --upgrade >/dev/null
        "$folder/bin/python" -m pip install -qq --disable-pip-version-check "$@"
    fi
}

if [ -e "$folder" ] && ! fits "$folder/bin/python"; then
    echo "The Python of $folder is gone or too old: making the folder anew."
    rm -rf "$folder"
fi
if [ ! -e "$folder" ]; then
    echo "Making $folder ..."
    make_folder
fi
echo "Installing $requirements into $folder ..."
install --no-deps --require-hashes -r "$requirements"
install --no-deps --no-build-isolation -e .
