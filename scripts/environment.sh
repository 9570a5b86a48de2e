#!/bin/sh
# Makes .venv and installs Panini into it; does nothing, and needs no network, when that was done before.
#
#   scripts/environment.sh run    what `panini up` needs
#   scripts/environment.sh dev    that, and what the tests need
#
# PYTHON names the interpreter; else the first of python3, python3.13 … on PATH that is 3.11 to 3.14.
set -eu
cd "$(dirname "$0")/.."

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if command -v "$name" >/dev/null 2>&1 && fits "$name"; then
            echo "$name"
            return
        fi
        if [ "$name" = "${PYTHON:-}" ]; then break; fi
    done
    if [ -n "${PYTHON:-}" ]; then
        echo "panini: Python 3.11 to 3.14 is needed, and $PYTHON is not that." >&2
    else
        echo "panini: Python 3.11 to 3.14 is needed, and PATH has none: no python3, python3.11 … python3.14 fits." >&2
    fi
    echo "        Install one (such as: apt install python3 python3-venv, brew install python@3.13), or name one:" >&2
    echo "        make up PYTHON=/path/to/python3.12" >&2
    exit 1
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "panini: $python cannot make environments: its modules venv and ensurepip are missing." >&2
        echo "        On Debian and Ubuntu they come with: apt install python$version-venv" >&2
        exit 1
    fi
    echo "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# An environment belongs to one place and one Python; a moved clone and an upgraded Python get a new one.
made_here() {
    [ -x .venv/bin/python ] && [ "$(cat .venv/made-at 2>/dev/null)" = "$(identity)" ]
}

identity() {
    .venv/bin/python -c 'import os, sys; print(os.path.realpath("."), sys.version)' 2>/dev/null | tr '\n' ' '
}

if ! made_here; then
    make_venv
    identity > .venv/made-at
fi
exec .venv/bin/python scripts/install.py "${1:-run}"
