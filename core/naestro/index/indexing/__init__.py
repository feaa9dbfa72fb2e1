"""The index brought to what the disk says.

Start at `run`, one index run from top to bottom: the `difference` is taken in, then written to what `holdings` has
open. `large_runs` has that done by an `indexer`, a process of its own, over `indexer_process` and its `orders`. Beside
it: `embedding`, the embedder that an index was made with; `late_vectors`, for one too slow to be waited for;
`standing` and `faults`, what went wrong and what mends it. When a run is due, `open_index` above says.
"""
