"""The files of a workspace: those that lie on the disk, and those that an index holds.

Start at `walk`, which meets every file that may be indexed; `reading` opens one, `watch` tells what changes. The
`manifest` is the list of what the index holds, as it was when it was read, with the names in it.
"""
