"""Nouns: frozen values and the rules they keep. Standard library and xxhash only; no I/O."""
