"""Keeps runs moving: the driver feeds the orchestrator, the performer carries out what it asks."""
