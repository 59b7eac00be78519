"""`pipelinekit datastores`: register, list, show, unregister, set-default, files, upload, copy, download."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.datastores import OPTIONS, SECRETS
from pipelinekit.domain.texts import counted, size_text
from pipelinekit.errors import UsageError
from pipelinekit.wire.datastores import datastore_document
from pipelinekit.workspace.datastores import DatastoreHandle, Transfer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `datastores`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb == "register"))


def pairs(texts: list[str], word: str) -> dict[str, str]:
    """Names and values of `NAME=VALUE` words."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{word} {text!r} has no value", hint="write it as NAME=VALUE")
        if name in found:
            raise UsageError(f"{word} {name!r} is given twice")
        found[name] = value
    return found


def show_progress(done: int, total: int, name: str) -> None:
    """One line that is written over, where somebody looks."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r\x1b[K{done} of {total}  {name[:100]}{end}")
        sys.stderr.flush()


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the datastore's name")


def _none(_: argparse.ArgumentParser) -> None:
    """No arguments."""


def _of_kinds(table: Any) -> str:
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in table.items() if names)


def _register_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument(
        "url", metavar="URL", help="a folder, or a URL: s3://, az://, gs://, https://, http://, sftp://"
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help=f"how to reach it ({_of_kinds(OPTIONS)})"
    )
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME=SECRET",
        help=f"the workspace's secret that holds a credential ({_of_kinds(SECRETS)})",
    )
    parser.add_argument("--allow-private", action="store_true", help="a web server may have an address of this network")
    parser.add_argument("--overwrite", action="store_true", help="replace a datastore of this name")
    parser.add_argument("--skip-validation", action="store_true", help="do not look whether it can be reached")
    parser.add_argument("--default", action="store_true", help="use it where none is named")


def _register(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.datastores.register(
        arguments.name,
        arguments.url,
        options=pairs(arguments.option, "option"),
        secrets=pairs(arguments.secret, "secret"),
        allow_private=arguments.allow_private,
        overwrite=arguments.overwrite,
        skip_validation=arguments.skip_validation,
        default=arguments.default,
    )
    return _say(arguments, handle, f"registered datastore {handle.name} at {handle.url}")


def _say(arguments: argparse.Namespace, handle: DatastoreHandle, words: str) -> int:
    if arguments.json:
        print_json(datastore_document(handle.record))
    else:
        print(words)
    return 0


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = [handle.record for handle in services.datastores.list()]
    if arguments.json:
        print_json({"datastores": [datastore_document(record) for record in found]})
        return 0
    rows = [
        (record.name, record.kind, record.url, "default" if record.is_default else "", time_text(record.created_at))
        for record in found
    ]
    print(table(rows, ("datastore", "kind", "url", "", "registered")) if rows else "no datastores")
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    record = services.datastores.get(arguments.name).record
    if arguments.json:
        print_json(datastore_document(record))
        return 0
    rows = [
        ("datastore", record.name + ("  (default)" if record.is_default else "")),
        ("kind", record.kind + ("" if record.writable else ", read only")),
        ("url", record.url),
        *((f"  {name}", value) for name, value in record.options.items()),
        *((f"  {name}", f"secret {value!r}") for name, value in record.secrets.items()),
        *([("private", "its address need not be public")] if record.allow_private else []),
        ("registered", time_text(record.created_at)),
    ]
    print(table(rows))
    return 0


def _unregister(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.datastores.get(arguments.name)
    services.datastores.unregister(arguments.name)
    return _say(arguments, handle, f"datastore {handle.name} is not registered any more; its files are as they were")


def _set_default(arguments: argparse.Namespace, services: Services) -> int:
    services.datastores.set_default(arguments.name)
    handle = services.datastores.get(arguments.name)
    return _say(arguments, handle, f"datastore {handle.name} is the default now")


def _pattern(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="a path, folder or pattern; all files"
    )


def _files(arguments: argparse.Namespace, services: Services) -> int:
    found = services.datastores.get(arguments.name).files(arguments.pattern)
    if arguments.json:
        print_json({"files": [{"path": item.path, "size": item.size} for item in found]})
        return 0
    print(table([(size_text(item.size), item.path) for item in found]) if found else "no files")
    return 0


def _upload_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("source", metavar="SOURCE", help="a local file or folder")
    parser.add_argument("target", nargs="?", default="", metavar="TARGET", help="the folder in the datastore; its root")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def _upload(arguments: argparse.Namespace, services: Services) -> int:
    found = services.datastores.get(arguments.name).upload(
        arguments.source, arguments.target, overwrite=arguments.overwrite, progress=show_progress
    )
    return _carried(arguments, found, "uploaded")


def _download_arguments(parser: argparse.ArgumentParser) -> None:
    _pattern(parser)
    parser.add_argument("--to", default=".", metavar="FOLDER", help="the local folder; the current one")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def _download(arguments: argparse.Namespace, services: Services) -> int:
    found = services.datastores.get(arguments.name).download(
        arguments.pattern, arguments.to, overwrite=arguments.overwrite, progress=show_progress
    )
    return _carried(arguments, found, "downloaded")


def _copy_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("pattern", metavar="PATTERN", help="a path, folder or pattern in it")
    parser.add_argument("other", metavar="DATASTORE", help="the datastore that is copied to")
    parser.add_argument("target", nargs="?", default="", metavar="TARGET", help="the folder in that; its root")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def _copy(arguments: argparse.Namespace, services: Services) -> int:
    other = services.datastores.get(arguments.other)
    found = services.datastores.get(arguments.name).copy_to(
        other, arguments.pattern, arguments.target, overwrite=arguments.overwrite, progress=show_progress
    )
    return _carried(arguments, found, "copied")


def _carried(arguments: argparse.Namespace, found: Transfer, word: str) -> int:
    if arguments.json:
        print_json({word: list(found.done), "kept": list(found.kept)})
        return 0
    kept = f"; {counted(len(found.kept), 'file')} kept as there already, see --overwrite" if found.kept else ""
    print(f"{word} {counted(len(found.done), 'file')}{kept}")
    return 0


VERBS: dict[str, Verb] = {
    "register": ("register a folder, bucket, container or server under a name", _register_arguments, _register),
    "list": ("all datastores", _none, _list),
    "show": ("one datastore; of credentials only the names of their secrets", _name, _show),
    "unregister": ("forget a datastore; its files stay as they are", _name, _unregister),
    "set-default": ("use a datastore where none is named", _name, _set_default),
    "files": ("the files in a datastore", _pattern, _files),
    "upload": ("put a local file or folder into a datastore", _upload_arguments, _upload),
    "copy": ("copy files of a datastore into another one", _copy_arguments, _copy),
    "download": ("copy files of a datastore into a local folder", _download_arguments, _download),
}
