"""Settings: typed and listed here, read from the workspace's file, the environment and the command line, in that order.

`config.toml` in the workspace folder holds `name = value` lines; the environment has `PIPELINEKIT_<NAME>`; flags win.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelinekit.classes import field, frozen
from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.domain.snapshots import SnapshotLimits
from pipelinekit.domain.steps import parse_size
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import json
    import tomllib

    from pipelinekit.domain import addresses
else:
    addresses = late("pipelinekit.domain.addresses")
    json = late("json")
    tomllib = late("tomllib")

CONFIG_FILE = "config.toml"
PREFIX = "PIPELINEKIT_"


@frozen
class Settings:
    """All settings with their defaults; the text of each says what it is for."""

    compute: str = field(
        default="local",
        metadata={
            "text": "where steps run: local, in-process, a compute target's name, or the address of a Dask scheduler (tls://…)"
        },
    )
    cores: int = field(default=0, metadata={"text": "cores that local runs may use; 0 for all of this machine"})
    experiment: str = field(default="", metadata={"text": "experiment of new runs; empty for the pipeline's own name"})
    secrets_key: str = field(
        default="", metadata={"text": "file with the key of secrets; empty for secrets.key in the workspace folder"}
    )
    progress: bool = field(default=True, metadata={"text": "show live progress when standard error is a terminal"})
    records: str = field(
        default="",
        metadata={"text": "where records are: empty for a file in the workspace, or postgresql://USER@HOST/DATABASE"},
    )
    verify: float = field(
        default=0.0, metadata={"text": "share of reused steps, 0 to 1, that are executed again and compared"}
    )
    blobs: str = field(
        default="",
        metadata={
            "text": "where blobs are kept: empty for the workspace folder, or s3://BUCKET/PREFIX, az://…, gs://…"
        },
    )
    blobs_endpoint: str = field(default="", metadata={"text": "address of the object store, where it is not the usual"})
    blobs_region: str = field(default="", metadata={"text": "region of the object store, where it needs one"})
    blobs_cache: str = field(
        default="20GB", metadata={"text": "room for local copies of what lies in an object store; empty for no limit"}
    )
    node_cache: str = field(
        default="50GB",
        metadata={"text": "room for source folders and environments in a folder of a node's own; empty for no limit"},
    )
    snapshot_files: int = field(default=20_000, metadata={"text": "most files that a source folder may hold"})
    snapshot_size: str = field(default="300MiB", metadata={"text": "most that the files of a source folder may hold"})
    origins: Mapping[str, str] = field(default_factory=dict, metadata={"text": ""})


def snapshot_limits(settings: Settings) -> SnapshotLimits:
    """How much a source folder may hold. Raises UsageError."""
    try:
        return SnapshotLimits(settings.snapshot_files, parse_size(settings.snapshot_size))
    except UsageError:
        raise UsageError(
            f"setting 'snapshot_size' is no size: {settings.snapshot_size!r}", hint="write '300MiB', or '2GB'"
        ) from None


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
    if values.get("records"):
        _check_records(values["records"], origins["records"])
    return Settings(**values, origins=origins)


def _check_records(address: str, origin: str) -> None:
    """Refuse an address with a password before anybody shows it."""
    try:
        addresses.postgres_address(address)
    except UsageError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from None


def check_writable(folder: Path, names: Iterable[str]) -> None:
    """Raise UsageError where the environment decides about one of these settings, whatever their file says."""
    for name in names:
        if PREFIX + name.upper() in os.environ:
            raise UsageError(
                f"the environment variable {PREFIX}{name.upper()} decides, whatever {folder / CONFIG_FILE} says",
                hint="unset it first",
            )


def write_settings(folder: Path, values: Mapping[str, str]) -> None:
    """Put texts into the settings file of a workspace, in one step; empty ones take their lines away.

    Raises UsageError where the environment decides instead, and when the file is written in a way not foreseen.
    """
    file = folder / CONFIG_FILE
    check_writable(folder, values)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in values]
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value]
    changed = "\n".join([*lines, *kept]) + "\n"
    wanted = {name: value for name, value in _parsed_text(text).items() if name not in values}
    wanted.update({name: value for name, value in values.items() if value})
    if _parsed_text(changed) != wanted:
        raise UsageError(f"{file} is written in a way that cannot be changed here", hint=f"write into it: {lines}")
    staged = file.with_name(f"{CONFIG_FILE}.{os.getpid()}")
    with staged.open("w", encoding="utf-8") as stream:
        stream.write(changed)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(staged, file)


def _parsed_text(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def shared_settings(settings: Settings) -> dict[str, str]:
    """What a worker elsewhere must know to reach the object store that the blobs are kept in; empty without one."""
    if not settings.blobs:
        return {}
    node_cache_bytes(settings)
    return {name: getattr(settings, name) for name in names() if name.startswith("blobs") or name == "node_cache"}


def node_cache_bytes(settings: Settings) -> int:
    """How much source folders and environments may take in a node's own folder; 0 for no limit. Raises UsageError."""
    try:
        return parse_size(settings.node_cache) if settings.node_cache else 0
    except UsageError:
        raise UsageError(
            f"setting 'node_cache' is no size: {settings.node_cache!r}", hint="write '50GB', or nothing"
        ) from None


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


def user_cache(otherwise: Path) -> Path:
    """The folder for what this user's programs remember to be fast; another one where it cannot be made."""
    found = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "pipelinekit")
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError:
        return otherwise
    return found


def find_workspace(start: Path) -> Path | None:
    """The workspace folder that `start` lies in: the nearest `.pipelinekit` upward; None when there is none."""
    for folder in (start, *start.parents):
        candidate = folder / WORKSPACE_FOLDER
        if candidate.is_dir():
            return candidate
    return None


def settings_document(folder: Path, settings: Settings) -> dict[str, Any]:
    """All settings with their values, where these come from, and what they are for."""
    found = [
        {
            "name": name,
            "value": getattr(settings, name),
            "origin": settings.origins.get(name, "default"),
            "meaning": text_of(name),
        }
        for name in names()
    ]
    return {"workspace": str(folder), "settings": found}
