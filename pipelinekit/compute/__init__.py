"""Runs attempts: Dask carries them to workers, where a supervisor executes them in warm, killable processes."""
