"""The index: which places of the workspace speak of a task, and where its names stand.

The doors stand here: `scheduling` holds an `open_index` for each workspace in use, that one a `workspace_index`,
through which everything is asked; `grounding` asks it for the council. So do the values that pass through them:
`found`, `spans`, `only` (what a search is kept to), and `place` (where an index lies). Below them, each with a
docstring that says where to start; an import points only downwards:

- `asking`: a question answered; and beside it `indexing`: the index brought to what the disk says;
- `taking`: files taken in, by worker processes where they are many;
- `storage`, the table of chunks; `files`, those on the disk and those that the index holds; `embed`, the vectors;
- `text`: words as a search compares them;
- `parsing`: a file taken apart to chunks and names.
"""
