"""Files taken in: read, taken apart, made ready for the table; here, or by worker processes side by side.

Start at `taking`, which does it to one file; `taken` is what is asked of it and what it answers. `workers` starts the
processes whose program `worker` is, and speaks with them in `frames`. `parts` and `vectors` keep what came of a text
over all workspaces, so that nothing is parsed or embedded twice. It writes no index.
"""
