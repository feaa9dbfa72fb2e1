"""Tools that a model of the council may call: what the workspace tells, and what servers of others bring."""
