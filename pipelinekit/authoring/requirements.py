"""Files that name packages: requirements, conda and pyproject files; every fault of one is told at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.classes import field, frozen
from pipelinekit.errors import CompileError, Fault, NotFoundError, UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    import yaml
else:
    yaml = late("yaml")

DEEPEST = 20  # requirements files that name one another
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMENT = re.compile(r"(^|\s)#.*$")
_CONDA_PIP = re.compile(r"pip\b(?!-)")
_CONDA_PYTHON = re.compile(r"python\s*={1,2}\s*(\d+\.\d+(?:\.\d+)?)(?:\.\*|\*)?(?:=.*)?\Z")


@frozen
class Found:
    """What such a file says."""

    packages: tuple[str, ...]
    name: str = ""
    python: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


def read_text(path: Path) -> str:
    """The text of a file. Raises NotFoundError or UsageError, which name it."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}") from None


# -- requirements ------------------------------------------------------------------------------------------------------


def read_requirements(path: Path) -> tuple[str, ...]:
    """The requirements of a file, hashes included. Raises CompileError with every line that cannot be used."""
    faults: list[Fault] = []
    packages = list(_requirement_lines(path, faults, 0))
    _raise(path, faults)
    return tuple(packages)


def _requirement_lines(path: Path, faults: list[Fault], depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        faults.append(Fault("requirements files name one another in a circle", str(path), 1))
        return
    for number, line in _logical_lines(read_text(path)):
        option, _, rest = line.replace("=", " ", 1).partition(" ") if line.startswith("--") else line.partition(" ")
        if option.startswith("-r") and option != "-r":
            option, rest = "-r", option[2:]
        if option in ("-r", "--requirement"):
            yield from _requirement_lines(path.parent / rest.strip(), faults, depth + 1)
        elif line.startswith("-"):
            faults.append(Fault(f"{option} cannot be part of an environment", str(path), number, _option_hint(option)))
        elif _is_local(line):
            hint = "put its code into the source folder, where it counts by content"
            faults.append(Fault(f"{line} is a package of this machine", str(path), number, hint))
        else:
            yield " ".join(line.split())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers: continued ones joined, comments and empty ones left out."""
    parts: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        whole = _COMMENT.sub("", " ".join([*parts, line])).strip()
        parts = []
        if whole:
            yield first, whole
    whole = _COMMENT.sub("", " ".join(parts)).strip()
    if whole:
        yield first, whole


def _option_hint(option: str) -> str:
    if option in ("-e", "--editable"):
        return "put its code into the source folder, where it counts by content"
    if option in ("-c", "--constraint"):
        return "write the bounds beside the packages, or lock the file: uv pip compile --generate-hashes"
    if "index" in option or option in ("-i", "-f", "--find-links"):
        return (
            "name the index in uv's settings (UV_INDEX, uv.toml): it depends on the machine, and may hold credentials"
        )
    return "leave it out; uv's settings hold for all environments of a machine"


def _is_local(line: str) -> bool:
    return line.startswith((".", "/", "file:")) or " @ file:" in line


# -- conda -------------------------------------------------------------------------------------------------------------


def read_conda(path: Path, *, skip_conda: bool = False) -> Found:
    """The pip part, Python version, name and variables of a conda file."""
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        fault = Fault(str(getattr(error, "problem", error)), str(path), mark.line + 1 if mark else 1)
        raise CompileError(f"{path} is no YAML", faults=[fault]) from None
    if not isinstance(document, dict) or not isinstance(document.get("dependencies", []), list):
        raise UsageError(f"{path} is no conda file", hint="it has a list named dependencies: see conda env export")
    packages: list[str] = []
    faults: list[Fault] = []
    python = ""
    for item in document.get("dependencies") or []:
        if isinstance(item, dict) and set(item) == {"pip"} and isinstance(item["pip"], list):
            packages.extend(_pip_items(item["pip"], path, faults))
        elif isinstance(item, str) and (version := _CONDA_PYTHON.match(item.strip())):
            python = version[1]
        elif isinstance(item, str) and item.strip() in ("pip", "python"):
            continue
        elif not (isinstance(item, str) and (skip_conda or _CONDA_PIP.match(item.strip()))):
            hint = "name it under pip, or leave out what only conda has: skip_conda=True, --skip-conda"
            faults.append(Fault(f"{item} is a package of conda, which is not used here", str(path), hint=hint))
    _raise(path, faults)
    given = document.get("variables") or {}
    variables = {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    return Found(tuple(packages), str(document.get("name") or ""), python, variables)


def _pip_items(items: list[Any], path: Path, faults: list[Fault]) -> Iterator[str]:
    for item in items:
        line = str(item).strip()
        if line.startswith(("-r ", "--requirement ")):
            yield from _requirement_lines(path.parent / line.partition(" ")[2].strip(), faults, 1)
        elif line.startswith("-"):
            option = line.partition(" ")[0]
            faults.append(Fault(f"{option} cannot be part of an environment", str(path), hint=_option_hint(option)))
        elif _is_local(line):
            faults.append(Fault(f"{line} is a package of this machine", str(path)))
        else:
            yield line


# -- pyproject ---------------------------------------------------------------------------------------------------------


def read_pyproject(path: Path, extras: tuple[str, ...], groups: tuple[str, ...]) -> Found:
    """The dependencies of a project, of some of its extras and of some of its dependency groups."""
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    project = document.get("project", {})
    faults: list[Fault] = []
    if "dependencies" in project.get("dynamic", ()):
        hint = "write them into [project], or register an environment from a requirements file"
        faults.append(
            Fault("the dependencies of the project are dynamic: only its build knows them", str(path), hint=hint)
        )
    if not project and not groups:
        faults.append(Fault("there is no [project] table", str(path)))
    reader = _Project(path, project, document.get("dependency-groups", {}), faults)
    packages = [str(item) for item in project.get("dependencies", ())]
    for extra in extras:
        packages.extend(reader.of_extra(extra, ()))
    for group in groups:
        packages.extend(reader.of_group(group, ()))
    _raise(path, faults)
    return Found(tuple(dict.fromkeys(packages)), str(project.get("name", "")))


class _Project:
    """Extras and groups of a project, which may include one another."""

    def __init__(self, path: Path, project: Mapping[str, Any], groups: Mapping[str, Any], faults: list[Fault]) -> None:
        self._path = str(path)
        self._name = _normal(str(project.get("name", "")))
        self._extras = {_normal(name): items for name, items in project.get("optional-dependencies", {}).items()}
        self._groups = {_normal(name): items for name, items in groups.items()}
        self._faults = faults

    def of_extra(self, name: str, outer: tuple[str, ...]) -> Iterator[str]:
        """The requirements of an extra; one that names the project itself stands for others of its extras."""
        for item in self._items("extra", self._extras, name, outer):
            own = _NAME.match(str(item))
            if own and self._name and _normal(own[0]) == self._name:
                inner = str(item)[own.end() :].strip().removeprefix("[").partition("]")[0]
                for other in filter(None, (part.strip() for part in inner.split(","))):
                    yield from self.of_extra(other, (*outer, name))
            else:
                yield str(item)

    def of_group(self, name: str, outer: tuple[str, ...]) -> Iterator[str]:
        """The requirements of a dependency group."""
        for item in self._items("dependency group", self._groups, name, outer):
            if isinstance(item, dict):
                yield from self.of_group(str(item.get("include-group", "")), (*outer, name))
            else:
                yield str(item)

    def _items(self, kind: str, known: Mapping[str, Any], name: str, outer: tuple[str, ...]) -> list[Any]:
        if name in outer:
            self._faults.append(Fault(f"{kind} {name!r} includes itself", self._path))
            return []
        if _normal(name) not in known:
            listed = ", ".join(sorted(known)) or "none"
            self._faults.append(Fault(f"there is no {kind} {name!r}", self._path, hint=f"there are: {listed}"))
            return []
        return list(known[_normal(name)])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _raise(path: Path, faults: list[Fault]) -> None:
    if faults:
        raise CompileError(f"no environment can be made of {path}", faults=faults)
