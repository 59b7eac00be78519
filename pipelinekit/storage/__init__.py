"""Keeps things: records in a database, blobs by content, and what this machine remembers to be fast."""
