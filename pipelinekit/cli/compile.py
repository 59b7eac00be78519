"""`pipelinekit compile`: a pipeline as a document that can be stored, compared and submitted later."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipelinekit.bootstrap import open_services
from pipelinekit.cli.output import print_json
from pipelinekit.cli.parameters import add_parameter_arguments
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.errors import UsageError
from pipelinekit.wire.graphs import graph_digest, graph_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `compile`."""
    add_parameter_arguments(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where to write the document; standard output by default"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Compile, keep the code in the store, and write the document."""
    services = open_services()
    target = load_target(arguments.target, arguments.parameter, services)
    show_warnings(target.warnings)
    show_hints(target)
    if target.compilation is not None:
        target.compilation.keep(services.blobs)
    text = graph_text(target.graph)
    with services.records.batch():  # clean-up must know of a graph that may be submitted later
        services.records.documents.put({graph_digest(text): text})
        services.upkeep.upkeep.keep_compiled(graph_digest(text))
    if not arguments.output:
        sys.stdout.write(text + "\n")
        return 0
    try:
        Path(arguments.output).write_text(text, encoding="ascii")
    except OSError as error:
        raise UsageError(f"{arguments.output} cannot be written: {error.strerror}") from None
    document = {
        "pipeline": target.graph.name,
        "digest": graph_digest(text),
        "steps": len(target.graph.steps),
        "nodes": len(target.graph.nodes),
        "file": arguments.output,
    }
    if arguments.json:
        print_json(document)
    else:
        print(f"{document['pipeline']}: {document['nodes']} nodes, {document['digest']}, written to {arguments.output}")
    return 0
