"""What the index is asked, each question one module; none of them writes.

Start at `search`: candidates from the table and from what an editor has open (`overlay`), put in order by `rank`, by
what the `question` asks for (`weights`, each with its reason). Names are found by `lookup`, the files that the rest
leans on by `map` and `graph`, lines by `grep`. `literal` searches the files as they are, until there is an index.
"""
