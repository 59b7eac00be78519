"""How values are stored: one module for each kind of value, and the registry that finds the right one.

Format modules import the libraries they serve; the registry imports a format module only when a value of its kind is
met.
"""
