"""Layout: where the boxes of a drawn graph stand, and how its lines run.

`shapes` is what is asked and answered. `groups` says which groups can be framed, and `arranging` takes them apart into
`levels` and puts the results together. For each level `layering` gives every box a layer, `ordering` its place in that
layer, `placing` its coordinate, and `straightening` a last touch. `fitting` chooses the direction. Nothing here knows
what a step or a run is.
"""
