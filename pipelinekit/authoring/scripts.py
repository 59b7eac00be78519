"""Script and command steps: any language; inputs and outputs are paths on the command line and in the environment."""

from __future__ import annotations

import inspect
import shlex
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.authoring.annotations import to_type
from pipelinekit.authoring.current import current
from pipelinekit.authoring.handles import OutputsHandle
from pipelinekit.authoring.steps import StepSettings, override_settings
from pipelinekit.authoring.tracing import Traced
from pipelinekit.domain.names import check_name, is_port_name
from pipelinekit.domain.pipelines import StepDeclaration
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY, PATHS
from pipelinekit.errors import UsageError
from pipelinekit.formats.paths import File

Ports = Mapping[str, Any] | Sequence[str]


class _CommandLine:
    """What script and command steps share: ports by name, a command line with references to them, options."""

    kind = "command"

    def __init__(
        self,
        name: str,
        words: Sequence[Any],
        inputs: Ports,
        outputs: Ports,
        source_directory: str,
        options: Mapping[str, Any],
        script: str = "",
    ) -> None:
        self._inputs = tuple(Port(port, ANY if kind is None else to_type(kind)) for port, kind in _pairs(inputs, None))
        self._outputs = tuple(Port(port, to_type(kind)) for port, kind in _pairs(outputs, File))
        self._check_ports()
        self._settings = override_settings(StepSettings(), options, name)
        self._words = tuple(_template(str(word), self._port_names()) for word in words)
        self._source = source_directory
        self._script = script
        self.name = check_name("step", self._settings.name or name)
        self._check_registered()
        self._file, self._line = _caller()

    def __call__(self, **inputs: Any) -> OutputsHandle:
        """Add the step to the pipeline; its outputs by name.

        Inputs are given by name, and `after` orders without data.
        """
        tracer = current.tracer
        if tracer is None:
            raise UsageError(f"{self.name!r} is a {self.kind} step and can be called only inside a pipeline function")
        traced = Traced(self._declaration(tracer.draft.root), id(self), after=self._settings.after)
        handle: OutputsHandle = tracer.call(traced, (), inputs, mapped=False)
        return handle

    def _declaration(self, root: str) -> StepDeclaration:
        file = str(Path(self._file).relative_to(root)) if root and Path(self._file).is_relative_to(root) else self._file
        return StepDeclaration(
            self.kind,
            self.name,
            "",
            self._script or self.name,
            self._inputs,
            self._outputs,
            self._settings.options,
            self._settings.environment,
            source=self._source,
            arguments=self._words,
            file=file,
            line=self._line,
        )

    def _port_names(self) -> dict[str, str]:
        return {
            **{f"inputs.{port.name}": "input" for port in self._inputs},
            **{f"outputs.{port.name}": "output" for port in self._outputs},
            **{f"secrets.{name}": "secret" for name in self._settings.options.secrets},
        }

    def _check_registered(self) -> None:
        outputs = [port.name for port in self._outputs]
        for output in self._settings.options.register:
            if output not in outputs:
                raise UsageError(
                    f"{self.kind} step {self.name!r} registers {output!r}, which is none of its outputs",
                    hint=f"register={{OUTPUT: DATASET}} with one of {', '.join(outputs) or 'none'}",
                )

    def _check_ports(self) -> None:
        names = [port.name for port in (*self._inputs, *self._outputs)]
        for name in names:
            if not is_port_name(name) or names.count(name) > 1 or name == "output":
                raise UsageError(
                    f"{name!r} cannot name an input or output of a {self.kind} step",
                    hint="use different names of letters, digits and '_'; 'output' is taken",
                )
        for port in self._outputs:
            if port.type.kind not in PATHS:
                raise UsageError(f"output {port.name!r} of a {self.kind} step must be a File or a Folder")


class PythonScriptStep(_CommandLine):
    """A Python script as a step.

    `script_name` is relative to `source_directory`, which is relative to the pipeline's source folder; the whole
    folder, after its ignore file, is the step's code. `inputs` and `outputs` map names to types (`File`, `Folder`, or
    the type of a plain value). `arguments` are the words of the command line, in which `{inputs.NAME}` and
    `{outputs.NAME}` stand for paths (or, for small plain values, their text). The same are in the environment as
    `PIPELINEKIT_INPUT_NAME` and `PIPELINEKIT_OUTPUT_NAME`. Options are those of `step`. A secret is a file in memory:
    `{secrets.NAME}` and `PIPELINEKIT_SECRET_NAME` are its path, and a Python script may call `get_secret` instead.
    """

    kind = "script"

    def __init__(
        self,
        script_name: str,
        source_directory: str = ".",
        arguments: Sequence[Any] = (),
        inputs: Ports = (),
        outputs: Ports = (),
        name: str = "",
        **options: Any,
    ) -> None:
        refuse_text(arguments)
        title = name or Path(script_name).stem
        super().__init__(title, arguments, inputs, outputs, source_directory, options, script_name)


class CommandStep(_CommandLine):
    """A command of any kind as a step.

    `command` is a text, split as a shell would but run without one, or a list of words.

    Without `source_directory` it runs in an empty folder. Everything else as in `PythonScriptStep`.
    """

    def __init__(
        self,
        command: str | Sequence[Any],
        source_directory: str = "",
        inputs: Ports = (),
        outputs: Ports = (),
        name: str = "",
        **options: Any,
    ) -> None:
        words = shlex.split(command) if isinstance(command, str) else list(command)
        if not words:
            raise UsageError("a command step needs a command")
        title = name or Path(str(words[0])).name
        super().__init__(title, words, inputs, outputs, source_directory, options)


def refuse_text(arguments: object) -> None:
    """Raise UsageError for arguments that are one text: its letters would be taken for words."""
    if isinstance(arguments, str):
        raise UsageError(f"arguments are a list of words, not {arguments!r}", hint=f"give {shlex.split(arguments)!r}")


def _pairs(ports: Ports, default: Any) -> list[tuple[str, Any]]:
    return list(ports.items()) if isinstance(ports, Mapping) else [(name, default) for name in ports]


def _template(word: str, ports: Mapping[str, str]) -> Any:
    """A word of the command line: a text, or a list of texts and references to ports."""
    parts: list[Any] = []
    for text, reference, _, _ in string.Formatter().parse(word):
        if text:
            parts.append(text)
        if reference is not None:
            if reference not in ports:
                known = ", ".join("{" + name + "}" for name in ports) or "none"
                raise UsageError(f"{word!r} refers to {{{reference}}}, which is no port", hint=f"there are: {known}")
            parts.append({ports[reference]: reference.partition(".")[2]})
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def _caller() -> tuple[str, int]:
    """File and line of the author's code that made the step."""
    own = str(Path(__file__).parent)
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and frame.f_code.co_filename.startswith(own):
        frame = frame.f_back
    return inspect.getfile(frame), frame.f_lineno
