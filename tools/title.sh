#!/bin/sh
# Checks that the first line of a commit message or of a pull request's title, read from standard input or
# from the file named, has the conventional form: TYPE(SCOPE)!: SUMMARY, scope and exclamation mark optional.
set -eu

types='build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test'
title=$(head -n 1 "${1:--}")

if ! printf '%s\n' "$title" | grep -Eq "^($types)(\([a-z0-9_./-]+\))?!?: [^ ].*[^. ]$"; then
    echo "'$title' is not of the form 'TYPE: summary' (no full stop at the end), TYPE being one of $types." >&2
    exit 1
fi
