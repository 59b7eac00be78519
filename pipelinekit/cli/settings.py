"""`pipelinekit settings`: every setting with its value, where it comes from, and what it is for."""

from __future__ import annotations

import argparse

from pipelinekit import config
from pipelinekit.bootstrap import open_services
from pipelinekit.cli.output import print_json, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `settings`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Print the settings."""
    services = open_services()
    settings = services.settings
    rows = [
        (name, getattr(settings, name), settings.origins.get(name, "default"), config.text_of(name))
        for name in config.names()
    ]
    if arguments.json:
        found = [dict(zip(("name", "value", "origin", "meaning"), row, strict=True)) for row in rows]
        print_json({"workspace": str(services.folder), "settings": found})
        return 0
    print(f"workspace  {services.folder}{'' if services.folder.is_dir() else '  (not created yet)'}\n")
    print(
        table(
            [(name, repr(value), origin, text) for name, value, origin, text in rows],
            ("name", "value", "from", "meaning"),
        )
    )
    print(f"\nset them in {services.folder / config.CONFIG_FILE} or as {config.PREFIX}<NAME> in the environment")
    return 0
