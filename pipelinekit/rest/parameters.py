"""Values of parameters as requests give them: JSON data, read by the types that the pipeline declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.parameters import Parameter, read_values
from pipelinekit.domain.types import read_json

NO_FILES = "a server reads no files by path for whoever calls it"


def read_parameters(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that JSON data stands for. Raises ParameterError naming everything that does not fit.

    Files and folders are named by dataset (`dataset:NAME[@VERSION]`) or datastore (`datastore:NAME/PATH`).
    """
    return read_values(parameters, given, read_json, no_files=NO_FILES)
