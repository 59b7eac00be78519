"""Drawings of graphs and runs: text for a terminal, SVG, and a page to look around in.

`pictures` says what is drawn, with `details` for whoever looks closer; `text` draws it with rails. `plans` measures it
and has it laid out; `svg` writes the plan down in the colours of `style`, and `pages` puts that into a page with the
`script`. `words` are shared by all. networkx is loaded with `plans` only, so that text is quick.
"""
