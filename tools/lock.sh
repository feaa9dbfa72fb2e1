#!/bin/sh
# Resolves pyproject.toml into requirements/main.txt (what Naestro needs) and requirements/dev.txt (that and
# what building and testing it needs): for every platform and Python from 3.11 on, with hashes, and without
# any index address, so that each machine asks its own index.
#
#   tools/lock.sh PATH-OF-UV [further options of `uv pip compile`, such as --upgrade]
set -eu

uv=$1
shift

compile() {
    target=$1
    shift
    "$uv" pip compile pyproject.toml "$@" --quiet --universal --generate-hashes --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-header --output-file "$target" >/dev/null
    { echo "# Locked by 'make lock' from pyproject.toml; not edited by hand."; cat "$target"; } >"$target.new"
    mv "$target.new" "$target"
}

compile requirements/main.txt "$@"
compile requirements/dev.txt --group dev --constraints requirements/main.txt "$@"
if grep -nE '://|^--(index|extra-index|find-links)' requirements/main.txt requirements/dev.txt; then
    echo "An address got into the locked requirements: remove it, each machine asks its own index." >&2
    exit 1
fi
