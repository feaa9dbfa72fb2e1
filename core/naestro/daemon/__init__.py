"""The process that works on all runs of a user, and the doors that lead to it.

`naestro.__main__` starts it (`process`), front ends come in by `listener` (protocols, as plug-ins) and `http` (the
control API). Below it stands the client. It chooses no engine and knows no protocol.
"""
