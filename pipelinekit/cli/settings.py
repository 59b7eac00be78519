"""`pipelinekit settings`: every setting with its value, where it comes from, and what it is for."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelinekit import config
from pipelinekit.cli.output import print_json, table
from pipelinekit.cli.servers import is_at_server, open_services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `settings`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Print the settings."""
    document = open_services().settings_document()
    if arguments.json:
        print_json(document)
        return 0
    folder = Path(document["workspace"])
    is_there = is_at_server() or folder.is_dir()
    print(f"workspace  {folder}{'' if is_there else '  (not created yet)'}\n")
    rows = [(item["name"], repr(item["value"]), item["origin"], item["meaning"]) for item in document["settings"]]
    print(table(rows, ("name", "value", "from", "meaning")))
    print(f"\nset them in {folder / config.CONFIG_FILE} or as {config.PREFIX}<NAME> in the environment")
    return 0
