"""Values of parameters as requests give them: JSON data, read by the types that the pipeline declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.parameters import Parameter, unknown_names
from pipelinekit.domain.types import DATASET, DATASTORE, paths_in, read_json
from pipelinekit.errors import Fault, ParameterError

_FILES = "a server reads no files by path for whoever calls it"


def read_parameters(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that JSON data stands for. Raises ParameterError naming everything that does not fit.

    Files and folders are named by dataset (`dataset:NAME[@VERSION]`) or datastore (`datastore:NAME/PATH`).
    """
    kinds = {parameter.name: parameter.type for parameter in parameters}
    faults = unknown_names(given, kinds)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in kinds:
            continue
        try:
            read = read_json(kinds[name], value)
        except ValueError as error:
            faults.append(Fault(f"parameter {name!r}: {error}"))
            continue
        if any(not ref.dataset for ref in paths_in(read)):
            hint = f"write {DATASET}NAME or {DATASTORE}NAME/PATH"
            faults.append(Fault(f"parameter {name!r}: {_FILES}", hint=hint))
        values[name] = read
    if faults:
        raise ParameterError("the parameters do not fit", faults=faults)
    return values
