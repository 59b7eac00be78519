"""Code identity: which first-party code a step reaches, told by normalised syntax.

`syntax` gives a statement its digest, `scopes` finds the names it reads and the effects it has, `modules` sums a source
file up, and `closure` follows names from a step's function through modules until nothing new is reached.
Everything is read from source text; live objects are never looked into.
"""
