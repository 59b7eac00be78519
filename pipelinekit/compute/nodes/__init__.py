"""Where nodes of the workspace's own clusters run: one module for each provider, and `making`, which chooses."""
