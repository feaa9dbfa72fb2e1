"""Commands: each one readable flow, top to bottom."""
