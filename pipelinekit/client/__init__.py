"""A workspace that a server has, in Python: the same words as `Workspace`, over HTTP."""
