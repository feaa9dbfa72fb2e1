"""The tools, each in a module of its own: what it is told by, what it takes and gives, and its work."""
