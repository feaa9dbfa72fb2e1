"""The index: which places of the workspace speak of a task, and where its names stand.

From the top: `scheduling` holds an `open_index` for each workspace in use, that one a `workspace_index`, through which
everything is asked. Below it, side by side:

- keeping fresh: `difference` of the disk (`walk`) and the `manifest`; `indexing`, which has files taken in (`taking`,
  by `workers` where they are many) and writes them; `large_runs`, which has an `indexer` process do that;
- a file taken apart: `parse` and what it uses, `parts` and `vectors`, which keep what came of it;
- what is kept (`holdings`): the `store`, a LanceDB table with a file of `records` beside it, and the manifest;
- questions: `search` and `rank`, `lookup`, `map`, `grep`, `literal`; `grounding` asks them for the council.
"""
