"""Settings: typed and listed here, read from the workspace's file, the environment and the command line, in that order.

`config.toml` in the workspace folder holds `name = value` lines; the environment has `PIPELINEKIT_<NAME>`; flags win.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.classes import field, frozen
from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.errors import UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    import tomllib
else:
    tomllib = late("tomllib")

CONFIG_FILE = "config.toml"
PREFIX = "PIPELINEKIT_"


@frozen
class Settings:
    """All settings with their defaults; the text of each says what it is for."""

    compute: str = field(
        default="local",
        metadata={"text": "where steps run: local, in-process, or the address of a Dask scheduler (tcp://…, tls://…)"},
    )
    cores: int = field(default=0, metadata={"text": "cores that local runs may use; 0 for all of this machine"})
    experiment: str = field(default="", metadata={"text": "experiment of new runs; empty for the pipeline's own name"})
    secrets_key: str = field(
        default="", metadata={"text": "file with the key of secrets; empty for secrets.key in the workspace folder"}
    )
    progress: bool = field(default=True, metadata={"text": "show live progress when standard error is a terminal"})
    verify: float = field(
        default=0.0, metadata={"text": "share of reused steps, 0 to 1, that are executed again and compared"}
    )
    origins: Mapping[str, str] = field(default_factory=dict, metadata={"text": ""})


def names() -> list[str]:
    """The names of all settings."""
    return [name for name in Settings.__match_args__ if name != "origins"]


def text_of(name: str) -> str:
    """What a setting is for."""
    return str(Settings.__dataclass_fields__[name].metadata["text"])


def load_settings(
    folder: Path, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a workspace folder. Raises UsageError for unknown names and values of the wrong type."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    file = folder / CONFIG_FILE
    if file.is_file():
        for name, value in _read(file).items():
            values[name] = _typed(_known(name, str(file)), value, str(file))
            origins[name] = str(file)
    for name in names():
        variable = PREFIX + name.upper()
        if variable in environment:
            values[name] = _parsed(name, environment[variable], variable)
            origins[name] = f"environment variable {variable}"
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = value
            origins[name] = "command line"
    return Settings(**values, origins=origins)


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        return found
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def _known(name: str, origin: str) -> str:
    if name not in names():
        raise UsageError(f"{origin}: there is no setting {name!r}", hint=f"there are: {', '.join(names())}")
    return name


_WORDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _kind(name: str) -> type:
    return type(getattr(Settings(), name))


def _typed(name: str, value: Any, origin: str) -> Any:
    if type(value) is int and _kind(name) is float:
        return float(value)
    if type(value) is not _kind(name):
        raise UsageError(f"{origin}: setting {name!r} must be {_WORDS[_kind(name)]}, not {value!r}")
    return value


def _parsed(name: str, text: str, origin: str) -> Any:
    kind = _kind(name)
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise UsageError(f"{origin}: setting {name!r} must be {_WORDS[kind]}, not {text!r}") from None


def find_workspace(start: Path) -> Path | None:
    """The workspace folder that `start` lies in: the nearest `.pipelinekit` upward; None when there is none."""
    for folder in (start, *start.parents):
        candidate = folder / WORKSPACE_FOLDER
        if candidate.is_dir():
            return candidate
    return None
