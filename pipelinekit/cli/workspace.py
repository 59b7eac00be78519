"""`pipelinekit workspace`: where things are kept, and moving them to another place."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelinekit import config
from pipelinekit.bootstrap import Services, open_services
from pipelinekit.classes import replace
from pipelinekit.cli.output import print_json, table
from pipelinekit.domain.texts import counted, size_text
from pipelinekit.errors import UsageError
from pipelinekit.wiring import RECORDS_FILE
from pipelinekit.workspace.moving_blobs import check_still, move_blobs

FOLDER = "folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `workspace`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser("create", help="create a workspace", description="create a workspace")
    create.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where; the current folder by default")
    create.add_argument("--exist-ok", action="store_true", help="no error where there is one")
    delete = verbs.add_parser("delete", help="delete the workspace", description="delete the workspace")
    delete.add_argument("--yes", action="store_true", help="delete all runs, outputs, datasets and secrets in it")
    text = "copy the records to a new file, as they are at one moment, also while runs are in progress"
    backup = verbs.add_parser("backup", help=text, description=text)
    backup.add_argument("file", metavar="FILE", help="the new file; blobs are not in it: copy them after it")
    text = "put the records back as they are in a copy"
    restore = verbs.add_parser("restore", help=text, description=text)
    restore.add_argument("file", metavar="FILE", help="what 'workspace backup' has made")
    restore.add_argument("--yes", action="store_true", help="go back to that copy; the present records are kept aside")
    for verb in (create, delete, backup, restore):
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
    for name, text in (
        ("show", "where the workspace keeps things, and how much"),
        ("move", "move records, or blobs, to another place, all in one go"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
        if name == "move":
            verb.add_argument(
                "--records",
                metavar="WHERE",
                help="move all records: to postgresql://USER@HOST/DATABASE, or with 'file' back into the workspace",
            )
            verb.add_argument(
                "--blobs",
                metavar="URL",
                help="copy all blobs and use them there: s3://BUCKET/PREFIX, az://…, gs://…, or 'folder' for the "
                "workspace's own",
            )
            verb.add_argument(
                "--endpoint", default="", metavar="ADDRESS", help="where the object store is, if not as usual"
            )
            verb.add_argument("--region", default="", metavar="NAME", help="region of the object store")


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    if arguments.verb == "create":
        return _create(arguments)
    services = open_services(create=False)
    verbs = {"show": _show, "move": _move, "delete": _delete, "backup": _back_up, "restore": _restore}
    return verbs[arguments.verb](arguments, services)


def _create(arguments: argparse.Namespace) -> int:
    services = open_services(Path(arguments.folder))
    services.create(exist_ok=arguments.exist_ok)
    if arguments.json:
        print_json({"workspace": str(services.folder)})
    else:
        print(f"workspace {services.folder}")
    return 0


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    if not arguments.yes:
        raise UsageError(
            f"nothing was deleted at {services.folder}", hint="--yes deletes all runs, outputs, datasets and secrets"
        )
    left = services.delete()
    if arguments.json:
        print_json({"deleted": str(services.folder), "left": left})
    else:
        print("\n".join([f"deleted {services.folder}", *(f"left {place}, which others may share" for place in left)]))
    return 0


def _back_up(arguments: argparse.Namespace, services: Services) -> int:
    file = Path(arguments.file).absolute()
    size = services.back_up(file)
    if arguments.json:
        print_json({"file": str(file), "size": size})
    else:
        print(f"copied the records to {file}, {size_text(size)}; blobs are copied after them, as they are")
    return 0


def _restore(arguments: argparse.Namespace, services: Services) -> int:
    if not arguments.yes:
        raise UsageError(
            "nothing was changed", hint="--yes puts the records back: what was recorded since that copy is left aside"
        )
    file = Path(arguments.file).absolute()
    kept = services.restore(file)
    if arguments.json:
        print_json({"file": str(file), "kept": str(kept)})
    else:
        print(f"put the records back as they are in {file}\nthose of until now are kept at {kept}")
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    experiments = services.experiments.list(archived=None)
    runs = sum(experiment.runs for experiment in experiments)
    records = services.settings.records or str(services.home / RECORDS_FILE)
    blobs = services.settings.blobs or str(services.home / "blobs")
    servers = services.servers.alive()
    if arguments.json:
        found = {"workspace": str(services.folder), "records": records, "blobs": blobs}
        print_json(
            {**found, "experiments": len(experiments), "runs": runs, "servers": [asdict(one) for one in servers]}
        )
        return 0
    rows = [
        ("workspace", str(services.folder)),
        ("records", f"{records}  ({counted(runs, 'run')} in {counted(len(experiments), 'experiment')})"),
        ("blobs", blobs),
        *(("server", f"process {one.pid} on {one.host}, {one.running} of {one.most} runs") for one in servers),
    ]
    print(table(rows))
    return 0


def _move(arguments: argparse.Namespace, services: Services) -> int:
    if bool(arguments.records) is bool(arguments.blobs):
        raise UsageError(
            "nothing to move" if not arguments.records else "records and blobs are moved one after the other",
            hint="say where to: --records postgresql://USER@HOST/DATABASE, or --blobs s3://BUCKET/PREFIX",
        )
    told, lines = _move_records(arguments, services) if arguments.records else _move_blobs(arguments, services)
    if arguments.json:
        print_json(told)
    else:
        print("\n".join(lines))
    return 0


def _move_records(arguments: argparse.Namespace, services: Services) -> tuple[dict[str, Any], list[str]]:
    done = services.move_records(arguments.records)
    rows = [(f"  {name}", str(count)) for name, count in done.rows.items() if count]
    lines = [
        f"moved all records from {done.origin}\n                  to {done.target}\n",
        table(rows, ("  table", "rows")),
        f"\nevery row was read back and compared; the old records are kept at {done.kept}",
    ]
    return {"from": done.origin, "to": done.target, "kept": done.kept, "rows": done.rows}, lines


def _move_blobs(arguments: argparse.Namespace, services: Services) -> tuple[dict[str, Any], list[str]]:
    values = {
        "blobs": "" if arguments.blobs == FOLDER else arguments.blobs,
        "blobs_endpoint": arguments.endpoint,
        "blobs_region": arguments.region,
    }
    settings = services.settings
    if (settings.blobs, settings.blobs_endpoint) == (values["blobs"], values["blobs_endpoint"]):
        raise UsageError(f"the blobs are kept in {settings.blobs or 'the workspace folder'} already")
    config.check_writable(services.folder, values)
    services.check_unserved("move")
    check_still(services.runs)
    target = Services(services.folder, replace(settings, **values))
    moved = move_blobs(
        services.store_to_move(),
        target.store_to_move(),
        lambda: config.write_settings(services.folder, values),
        _progress if sys.stderr.isatty() and not arguments.json else None,
    )
    old = settings.blobs or str(services.home / "blobs")
    lines = [f"moved {counted(moved.copied, 'blob')}, {size_text(moved.size)}; {moved.there} were there already"]
    if moved.damaged:
        lines.append(f"{counted(len(moved.damaged), 'blob')} were damaged before, and are made again when needed")
    lines.append(f"blobs are kept in {arguments.blobs} from now on; what is in {old} is left to you")
    return {"from": old, "to": arguments.blobs, **asdict(moved)}, lines


def _progress(done: int, count: int) -> None:
    sys.stderr.write(f"\r\033[Kcopied {done} of {counted(count, 'blob')}" + ("\r\033[K" if done == count else ""))
    sys.stderr.flush()
