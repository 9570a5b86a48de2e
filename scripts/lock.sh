#!/bin/sh
# Pins every dependency anew, for every platform and Python that Panini runs on. The second file holds what tests add.
set -eu
cd "$(dirname "$0")/.."

compile() {
    out=$1
    shift
    .venv/bin/python -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --upgrade --no-header \
        --no-emit-index-url --no-emit-find-links --no-annotate "$@" > "$out.new"
    { echo "# Written by \`make lock\`; do not edit."; cat "$out.new"; } > "$out"
    rm "$out.new"
}

compile requirements.lock
compile requirements-dev.lock --group dev --constraints requirements.lock
