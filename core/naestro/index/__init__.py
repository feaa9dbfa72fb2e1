"""The index: which places of the workspace speak of a task."""
