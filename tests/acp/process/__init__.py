"""The agent as an editor has it: a process on stdio, its daemon behind it."""
