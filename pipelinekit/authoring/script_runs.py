"""Script runs: one script or command as a run, without writing a pipeline; saved to a file, and run from it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.authoring.modules import SourcePlace
from pipelinekit.authoring.pipelines import Pipeline
from pipelinekit.authoring.scripts import CommandStep, Ports, PythonScriptStep, refuse_text
from pipelinekit.domain.environments import Environment
from pipelinekit.domain.pipelines import Draft
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.formats.paths import File, Folder

SCHEMA = "pipelinekit script run 1"
_PATHS = {"file": File, "folder": Folder}


class ScriptRunConfig:
    """One script, or one command, with all that a run of it needs.

    `source_directory` is the folder whose content, after its ignore file, is the code; `script` lies in it. `command`
    (a text or a list of words) takes the place of script and arguments. In `arguments` and `command`, `{inputs.NAME}`
    and `{outputs.NAME}` stand for paths. `inputs` are values by name: plain data, `File(path)` or `Folder(path)`.
    `outputs` map names to `File` or `Folder`; a list of names means files. `options` are those of a step:
    `environment`, `compute`, `timeout`, `resources`, `allow_reuse` and so on. A run that has taken
    `max_run_duration_seconds` is canceled.

    Submit it with `workspace.submit(config)` or `experiment.submit(config)`. The run is an ordinary one of a pipeline
    with one step: executed again only when something changed.
    """

    def __init__(
        self,
        script: str = "",
        arguments: Sequence[Any] = (),
        *,
        command: str | Sequence[Any] = (),
        source_directory: str | Path = ".",
        inputs: Mapping[str, Any] | None = None,
        outputs: Ports = (),
        name: str = "",
        max_run_duration_seconds: float = 0.0,
        **options: Any,
    ) -> None:
        if bool(script) is bool(command):
            raise UsageError(
                "a script run needs a script or a command, and not both"
                if script
                else "a script run has nothing to run",
                hint="give script='train.py', or command='python -m train'",
            )
        if command and arguments:
            raise UsageError("a command has its arguments in itself", hint="add them to command=...")
        refuse_text(arguments)
        self.script = script
        self.command = command
        self.arguments = list(arguments)
        self.root = Path(source_directory).resolve()
        self.inputs = dict(inputs or {})
        self.outputs = outputs
        self.options = options
        self.max_run_duration_seconds = _seconds(max_run_duration_seconds)
        if not self.root.is_dir() or (script and not (self.root / script).is_file()):
            raise NotFoundError(
                f"there is no {'script ' + repr(script) if self.root.is_dir() else 'folder'} at {self.root}",
                hint="script= is relative to source_directory=",
            )
        words = command.split() if isinstance(command, str) else [str(word) for word in command]
        self.name = name or Path(script or words[0]).stem

    # -- what can be submitted ---------------------------------------------------------------------------------------

    def trace(self, values: Mapping[str, Any] | None = None) -> Draft:
        """The run as a draft of a pipeline with one step."""
        return self._pipeline.trace(values)

    def plain_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values for parameters: there are none."""
        if given:
            raise UsageError(f"script run {self.name!r} has no parameters", hint="change its inputs or arguments")
        return {}

    @functools.cached_property
    def _pipeline(self) -> Pipeline:
        return _ScriptPipeline(self)

    def call(self) -> Any:
        """Make the step, inside of a pipeline function."""
        inputs = {name: _kind(value) for name, value in self.inputs.items()}
        step: PythonScriptStep | CommandStep
        if self.script:
            step = PythonScriptStep(self.script, ".", self.arguments, inputs, self.outputs, self.name, **self.options)
        else:
            step = CommandStep(self.command, ".", inputs, self.outputs, self.name, **self.options)
        return step(**self.inputs)

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the configuration as JSON; `pipelinekit run FILE.json` runs it. Paths are kept relative to the file."""
        target = Path(path)
        outputs = self.outputs if isinstance(self.outputs, Mapping) else dict.fromkeys(self.outputs, File)
        document = {
            "schema": SCHEMA,
            "name": self.name,
            "source_directory": _relative(self.root, target),
            "script": self.script,
            "arguments": self.arguments,
            "command": self.command if isinstance(self.command, str) else list(self.command),
            "inputs": {name: _saved(value, target) for name, value in self.inputs.items()},
            "outputs": {name: "folder" if kind is Folder else "file" for name, kind in outputs.items()},
            **({"max_run_duration_seconds": longest} if (longest := self.max_run_duration_seconds) else {}),
            "options": {name: _saved_option(name, value) for name, value in self.options.items()},
        }
        try:
            text = json.dumps(document, indent=2, ensure_ascii=False)
        except TypeError as error:
            raise UsageError(f"script run {self.name!r} cannot be saved: {error}", hint="use plain values") from error
        target.write_text(text + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | Path) -> ScriptRunConfig:
        """The configuration that was saved to a file. Raises NotFoundError, or UsageError for anything else."""
        source = Path(path)
        try:
            document = json.loads(source.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {str(path)!r}") from None
        except ValueError as error:
            raise UsageError(f"{path} is no JSON: {error}") from None
        if not is_script_run(document):
            raise UsageError(f"{path} is no script run", hint="'ScriptRunConfig.save' writes one")
        options = dict(document.get("options", {}))
        if isinstance(options.get("environment"), dict):
            found = options["environment"]
            options["environment"] = Environment(found["name"], tuple(found["packages"]), found["variables"])
        return cls(
            document.get("script", ""),
            document.get("arguments", ()),
            command=document.get("command", ()),
            source_directory=source.parent / document.get("source_directory", "."),
            inputs={name: _restored(value, source) for name, value in document.get("inputs", {}).items()},
            outputs={name: _PATHS[kind] for name, kind in document.get("outputs", {}).items()},
            name=document.get("name", ""),
            max_run_duration_seconds=document.get("max_run_duration_seconds", 0.0),
            **options,
        )

    def __repr__(self) -> str:
        return f"<script run {self.name!r}>"


class _ScriptPipeline(Pipeline):
    """The pipeline of a script run: one step, whose source folder is the run's."""

    def __init__(self, config: ScriptRunConfig) -> None:
        def function() -> Any:
            return config.call()

        super().__init__(function, config.name)
        self._root = str(config.root)

    @functools.cached_property
    def place(self) -> SourcePlace:
        """The source folder; there is no module."""
        return SourcePlace("", self._root)


def is_script_run(document: Any) -> bool:
    """Whether a JSON document is a saved script run."""
    return isinstance(document, dict) and document.get("schema") == SCHEMA


def _seconds(given: float | str) -> float:
    if (seconds := parse_duration(given)) < 0:
        raise UsageError(f"max_run_duration_seconds={given!r} is not allowed", hint="give seconds > 0, or 0 for none")
    return seconds


def _kind(value: Any) -> Any:
    """The type of an input, as its value tells it."""
    return type(value) if isinstance(value, File | Folder | bool | int | float | str) else Any


def _saved(value: Any, target: Path) -> Any:
    if isinstance(value, File | Folder):
        return {"$folder" if isinstance(value, Folder) else "$file": _relative(Path(value).resolve(), target)}
    return value


def _saved_option(name: str, value: Any) -> Any:
    if isinstance(value, Environment):
        return {"name": value.name, "packages": list(value.packages), "variables": dict(value.variables)}
    return value if name != "source_directory" else str(value)


def _restored(value: Any, source: Path) -> Any:
    if isinstance(value, dict) and set(value) in ({"$file"}, {"$folder"}):
        ((kind, path),) = value.items()
        return (Folder if kind == "$folder" else File)(str(source.parent.resolve() / path))
    return value


def _relative(path: Path, target: Path) -> str:
    """A path as seen from the folder of the file, where it lies below it or beside it."""
    folder = target.parent.resolve()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
