"""`pipelinekit datasets`: register, list, show, update, unregister, check, download, lineage."""

from __future__ import annotations

import argparse
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.datastores import pairs, show_progress
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.datasets import (
    LATEST,
    TABLE_FORMATS,
    TABULAR,
    Dataset,
    DatasetVersion,
    label_of,
    parse_reference,
)
from pipelinekit.domain.texts import counted, size_text
from pipelinekit.wire.datasets import use_document, version_document
from pipelinekit.wire.values import plain_to_json
from pipelinekit.workspace.datasets import RegisteredDataset

SHOWN_FILES = 10
SHOWN_ROWS = 5
WIDEST = 24  # characters of a cell of the preview


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `datasets`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb == "register"))


def _reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME[@VERSION]", help="a dataset; its newest version by default")


def _register_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the dataset's name")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders or patterns (quote those)")
    parser.add_argument("--store", default="", metavar="DATASTORE", help="where the paths are; this machine by default")
    parser.add_argument("--tabular", action="store_true", help="the files are a table; else they are files")
    parser.add_argument("--format", default="", choices=TABLE_FORMATS, help="of a table; else its suffix says it")
    parser.add_argument("--delimiter", default=",", metavar="SIGN", help="between columns of CSV (,)")
    parser.add_argument("--no-header", action="store_true", help="CSV without a line of names")
    parser.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE", help="of a column of CSV or JSON")
    parser.add_argument("--null", action="append", default=[], metavar="TEXT", help="what means nothing in CSV, as NA")
    parser.add_argument("--hive", action="store_true", help="folders such as year=2024 are columns")
    parser.add_argument("--description", default="", help="a text about this version")
    parser.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="a tag of this version")
    parser.add_argument("--create-new-version", action="store_true", help="add a version to a dataset that is there")
    parser.add_argument("--exist-ok", action="store_true", help="do nothing where the newest version is the same")
    parser.add_argument("--no-profile", action="store_true", help="do not look through the table")


def _register(arguments: argparse.Namespace, services: Services) -> int:
    paths: Any = [(arguments.store, path) if arguments.store else path for path in arguments.paths]
    if arguments.tabular or arguments.format:
        definition = Dataset.tabular(
            paths,
            arguments.format,
            delimiter=arguments.delimiter.replace("\\t", "\t"),
            header=not arguments.no_header,
            null_values=arguments.null,
            types=pairs(arguments.type, "type"),
            partitioning="hive" if arguments.hive else "",
        )
    else:
        definition = Dataset.file(paths)
    handle = services.datasets.register(
        arguments.name,
        definition,
        description=arguments.description,
        tags=pairs(arguments.tag, "tag"),
        create_new_version=arguments.create_new_version,
        exist_ok=arguments.exist_ok,
        profile=not arguments.no_profile,
        progress=show_progress,
    )
    if arguments.json:
        print_json(version_document(handle.record, whole=True))
    else:
        print(f"registered {handle.record.label}: {_words(handle.record)}")
    return 0


def _words(version: DatasetVersion) -> str:
    rows = f"{counted(version.profile.rows, 'row')}, " if version.profile else ""
    return f"{rows}{counted(version.count, 'file')}, {size_text(version.size)}"


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="all versions of this dataset")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = [handle.record for handle in services.datasets.list(arguments.name)]
    if arguments.name and not found:
        services.datasets.get(arguments.name)  # says what there is
    if arguments.json:
        print_json({"datasets": [version_document(record) for record in found]})
        return 0
    rows = [
        (
            record.name,
            str(record.version),
            record.definition.kind,
            str(record.profile.rows) if record.profile else "",
            str(record.count),
            size_text(record.size),
            time_text(record.created_at),
            record.description,
        )
        for record in found
    ]
    header = ("dataset", "version", "kind", "rows", "files", "size", "registered", "description")
    print(table(rows, header) if rows else "no datasets")
    return 0


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("--no-preview", action="store_true", help="only what is recorded; no row is read")


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.datasets.get(arguments.name)
    record = handle.record
    is_table = record.definition.kind == TABULAR
    if is_table and not arguments.no_preview:
        record = services.datasets.profiled(record)
    preview = handle.head(SHOWN_ROWS).to_pylist() if is_table and not arguments.no_preview else []
    if arguments.json:
        rows = [{name: _plain(value) for name, value in row.items()} for row in preview]
        print_json({**version_document(record, whole=True), **({"preview": rows} if is_table else {})})
        return 0
    print(table(_facts(record)))
    if record.files:
        shown = [(f"  {item.path}", size_text(item.size), item.digest) for item in record.files[:SHOWN_FILES]]
        print("\n" + table(shown, ("  file", "size", "digest")))
        if record.count > SHOWN_FILES:
            print(f"  and {record.count - SHOWN_FILES} more")
    if record.profile is not None:
        print("\n" + _profile(record))
    if preview:
        names = list(preview[0])
        print("\n" + table([[_cell(row[name]) for name in names] for row in preview], names))
    return 0


def _facts(record: DatasetVersion) -> list[tuple[str, str]]:
    definition = record.definition
    places = [f"{source.store}: {source.path}" if source.store else source.path for source in definition.sources]
    made = f"step {record.step} of run {record.run}" if record.run else ", ".join(places)
    return [
        ("dataset", record.label),
        ("kind", definition.kind + (f", {definition.format}" if definition.format else "")),
        ("from", made),
        ("holds", _words(record)),
        ("content", record.content),
        ("registered", time_text(record.created_at)),
        *([("description", record.description)] if record.description else []),
        *((f"  {name}", value) for name, value in record.tags.items()),
        *(("recipe", f"{name} {', '.join(map(str, rest))}") for name, *rest in definition.recipe),
    ]


def _profile(record: DatasetVersion) -> str:
    assert record.profile is not None
    rows = [
        (
            f"  {column.name}",
            column.type,
            str(column.nulls),
            str(column.distinct),
            column.low[:WIDEST],
            column.high[:WIDEST],
            "" if column.mean is None else f"{column.mean:.6g}",
        )
        for column in record.profile.columns
    ]
    return table(rows, ("  column", "type", "nulls", "distinct", "least", "greatest", "mean"))


def _cell(value: Any) -> str:
    text = "" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _plain(value: Any) -> Any:
    try:
        return plain_to_json(value)
    except TypeError:
        return str(value)


def _update_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("--description", help="a new text about this version")
    parser.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="add a tag")
    parser.add_argument("--remove-tag", action="append", default=[], metavar="NAME", help="remove a tag")


def _update(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.datasets.update(
        arguments.name,
        description=arguments.description,
        add_tags=pairs(arguments.tag, "tag"),
        remove_tags=tuple(arguments.remove_tag),
    )
    if arguments.json:
        print_json(version_document(handle.record))
    else:
        print(f"updated {handle.record.label}")
    return 0


def _unregister_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("--all-versions", action="store_true", help="every version, where none is named")


def _unregister(arguments: argparse.Namespace, services: Services) -> int:
    reference = parse_reference(arguments.name)
    number = reference.version
    if number == LATEST and not arguments.all_versions:
        number = services.datasets.get(arguments.name).version
    count = services.datasets.unregister(reference.name, number)
    if arguments.json:
        print_json({"name": reference.name, "unregistered": count})
    else:
        print(f"{counted(count, 'version')} of {reference.name} not registered any more; their files are as they were")
    return 0


def _download_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("--to", default=".", metavar="FOLDER", help="the local folder; the current one")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def _download(arguments: argparse.Namespace, services: Services) -> int:
    handle: RegisteredDataset = services.datasets.get(arguments.name)
    found = handle.download(arguments.to, overwrite=arguments.overwrite)
    if arguments.json:
        print_json({"dataset": handle.record.label, "files": [str(path) for path in found]})
    else:
        print(f"downloaded {counted(len(found), 'file')} of {handle.record.label}")
    return 0


def _check(arguments: argparse.Namespace, services: Services) -> int:
    record = services.datasets.get(arguments.name).record
    found = services.datasets.check(record.name, record.version)
    differs = bool(found.changed or found.gone)
    if arguments.json:
        kinds = {"changed": list(found.changed), "gone": list(found.gone), "new": list(found.new)}
        print_json({"dataset": record.label, **kinds})
        return int(differs)
    rows = [(word, path) for word in ("changed", "gone", "new") for path in getattr(found, word)]
    if record.run:
        print(f"{record.label} came out of run {record.run}; 'pipelinekit fsck' checks what the store holds")
    else:
        print(table(rows) if rows else f"what {record.label} was made of is as it was registered")
    if rows:
        print(f"'pipelinekit datasets register {record.name} ... --create-new-version' registers what is there now")
    return int(differs)


def _lineage_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME[@VERSION]", help="a dataset; all its versions by default"
    )
    parser.add_argument("--run", default="", help="the datasets of this run instead")


def _lineage(arguments: argparse.Namespace, services: Services) -> int:
    run = services.records.runs.get(arguments.run).id if arguments.run else ""
    uses = services.datasets.lineage(arguments.name, run=run)
    if arguments.json:
        print_json({"uses": [use_document(use) for use in uses]})
        return 0
    rows = [
        (
            use.run,
            "takes in" if use.direction == "input" else "gave out",
            label_of(use.name, use.version),
            use.place or "(written in)",
        )
        for use in uses
    ]
    print(table(rows, ("run", "", "dataset", "as")) if rows else "no run has used it")
    return 0


VERBS: dict[str, Verb] = {
    "register": ("register files, or a table in files, as a version of a name", _register_arguments, _register),
    "list": ("the newest version of every dataset, or all versions of one", _list_arguments, _list),
    "show": ("one version: its files, the profile of its table, and the first rows", _show_arguments, _show),
    "update": ("change description and tags of a version", _update_arguments, _update),
    "unregister": ("forget a version; its files stay as they are", _unregister_arguments, _unregister),
    "check": ("say which files changed, vanished or came since a version was registered", _reference, _check),
    "download": ("copy the files of a version into a local folder", _download_arguments, _download),
    "lineage": ("which runs took a dataset in or gave it out", _lineage_arguments, _lineage),
}
