"""`pipelinekit workspace`: what concerns a workspace as a whole."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from pipelinekit import config
from pipelinekit.bootstrap import Services, open_services
from pipelinekit.classes import replace
from pipelinekit.cli.output import print_json
from pipelinekit.domain.texts import counted, size_text
from pipelinekit.errors import UsageError
from pipelinekit.workspace.moving_blobs import Moved, check_still, move_blobs

FOLDER = "folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `workspace`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    move = verbs.add_parser(
        "move-blobs",
        help="copy all blobs to another place, make sure of them, and use them there from then on",
        allow_abbrev=False,
    )
    move.add_argument(
        "url", metavar="URL", help="s3://BUCKET/PREFIX, az://…, gs://…, or 'folder' for the workspace's own"
    )
    move.add_argument("--endpoint", default="", metavar="ADDRESS", help="where the object store is, if not as usual")
    move.add_argument("--region", default="", metavar="NAME", help="region of the object store")
    move.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Move the blobs, and say what was moved."""
    services = open_services(create=False)
    values = {
        "blobs": "" if arguments.url == FOLDER else arguments.url,
        "blobs_endpoint": arguments.endpoint,
        "blobs_region": arguments.region,
    }
    settings = services.settings
    if (settings.blobs, settings.blobs_endpoint) == (values["blobs"], values["blobs_endpoint"]):
        raise UsageError(f"the blobs are kept in {settings.blobs or 'the workspace folder'} already")
    config.check_writable(services.folder, values)
    check_still(services.records.runs)
    target = Services(services.folder, replace(settings, **values))
    moved = move_blobs(
        services.store_to_move(),
        target.store_to_move(),
        lambda: config.write_settings(services.folder, values),
        _show if sys.stderr.isatty() and not arguments.json else None,
    )
    old = settings.blobs or str(services.home / "blobs")
    if arguments.json:
        print_json({"from": old, "to": arguments.url, **asdict(moved)})
    else:
        print(_told(moved, old, arguments.url))
    return 0


def _told(moved: Moved, old: str, new: str) -> str:
    lines = [f"moved {counted(moved.copied, 'blob')}, {size_text(moved.size)}; {moved.there} were there already"]
    if moved.damaged:
        lines.append(f"{counted(len(moved.damaged), 'blob')} were damaged before, and are made again when needed")
    lines.append(f"blobs are kept in {new} from now on; what is in {old} is left to you")
    return "\n".join(lines)


def _show(done: int, count: int) -> None:
    sys.stderr.write(f"\r\033[Kcopied {done} of {counted(count, 'blob')}" + ("\r\033[K" if done == count else ""))
    sys.stderr.flush()
