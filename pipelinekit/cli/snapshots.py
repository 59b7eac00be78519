"""`pipelinekit snapshots`: show, download, preview."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table
from pipelinekit.cli.servers import open_services, refuse_at_server
from pipelinekit.domain.texts import counted, size_text

SHOWN = 40  # files of a preview that are listed, unless all are asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `snapshots`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _snapshot(_verb(verbs, "show", "the files of a run's snapshot"))
    download = _verb(verbs, "download", "copy a run's snapshot to a zip file or into a folder")
    _snapshot(download)
    download.add_argument(
        "-o", "--output", metavar="PATH", help="a name that ends in .zip, or a folder; RUN.zip by default"
    )
    look = _verb(verbs, "preview", "what a snapshot of a folder would hold, what not, and by which rule")
    look.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="the source folder; this one by default")
    look.add_argument("--all", action="store_true", help="list every file")


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def _snapshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="a run, or the digest of a snapshot; the newest run"
    )
    parser.add_argument("--step", default="", help="the snapshot of a step that has a source folder of its own")


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    if arguments.verb == "preview":
        refuse_at_server(f"snapshots {arguments.verb}")
    services = open_services(create=arguments.verb == "preview")
    return {"show": _show, "download": _download, "preview": _preview}[arguments.verb](arguments, services)


def _show(arguments: argparse.Namespace, services: Services) -> int:
    snapshot = services.snapshots.get(arguments.run, arguments.step)
    if arguments.json:
        print_json(snapshot.document())
        return 0
    rows = [(item.path, size_text(item.size), "executable" if item.executable else "") for item in snapshot.files]
    print(f"snapshot {snapshot.digest}: {counted(len(rows), 'file')}, {size_text(snapshot.tree.size)}")
    print(table(rows))
    return 0


def _download(arguments: argparse.Namespace, services: Services) -> int:
    snapshot = services.snapshots.get(arguments.run, arguments.step)
    name = arguments.run if arguments.run != "latest" else services.runs.get().id
    path = snapshot.download(Path(arguments.output or f"{name.rpartition(':')[2]}.zip"))
    if arguments.json:
        print_json({"digest": snapshot.digest, "path": str(path), "files": len(snapshot.files)})
    else:
        print(f"wrote {counted(len(snapshot.files), 'file')} to {path}")
    return 0


def _preview(arguments: argparse.Namespace, services: Services) -> int:
    found = services.snapshots.preview(arguments.folder)
    if arguments.json:
        print_json(found.document())
        return 1 if found.problems else 0
    limit = None if arguments.all else SHOWN
    largest = sorted(found.taken, key=lambda item: (-item.size, item.path))[:limit]
    print(f"a snapshot would hold {counted(len(found.taken), 'file')}, {size_text(found.size)}")
    rows = [
        (f"  {item.path}", size_text(item.size), f"looks like a secret: {item.secret}" if item.secret else "")
        for item in (found.taken if arguments.all else largest)
    ]
    print(table(rows))
    _more(len(found.taken) - len(rows))
    if found.left_out:
        by = f"; rules are those of {found.ignore_file}" if found.ignore_file else "; there is no ignore file"
        print(f"left out{by}")
        rows = [
            (f"  {item.path}", size_text(item.size), str(item.rule) if item.rule else item.why)
            for item in found.left_out[:limit]
        ]
        print(table(rows))
        _more(len(found.left_out) - len(rows))
    for problem in found.problems:
        print(f"problem: {problem}")
    return 1 if found.problems else 0


def _more(count: int) -> None:
    if count > 0:
        print(f"  and {count} more; --all lists them")
