"""`Environment` as authors write it: by its packages, or from the files that projects have anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain import environments
from pipelinekit.late import late

if TYPE_CHECKING:
    from typing import Self

    from pipelinekit.authoring import requirements
else:
    requirements = late("pipelinekit.authoring.requirements")


class Environment(environments.Environment):
    """An environment for steps: packages, a Python version, process variables; or a container image.

    `packages` are requirements as pip writes them (`"pandas>=2,<3"`); they are resolved once to a lock with exact
    versions and hashes, and the lock is what enters the key. `python` is a version such as `"3.12"`, by default that of
    pipelinekit's own interpreter. With neither the step runs in the environment that pipelinekit itself runs in.
    `variables` are set in the step's process and enter the key. `image` is a container image to run script and command
    steps in.
    """

    __slots__ = ()
    __hash__ = environments.Environment.__hash__

    def __eq__(self, other: object) -> bool:
        """Equal to what the workspace gives back for it, which is told by its fields alone."""
        if not isinstance(other, environments.Environment):
            return NotImplemented
        mine, others = (
            [getattr(item, name) for name in environments.Environment.__match_args__] for item in (self, other)
        )
        return mine == others

    @classmethod
    def from_requirements(
        cls, path: str | Path, *, name: str = "", python: str = "", variables: Mapping[str, str] | None = None
    ) -> Self:
        """The packages of a requirements file, and of those that it names with `-r`.

        A locked file, in which every line is exact and has hashes, is taken as it is. Raises CompileError with every
        line that cannot be used.
        """
        file = Path(path)
        return cls(name or file.stem, requirements.read_requirements(file), variables or {}, python)

    @classmethod
    def from_conda(
        cls,
        path: str | Path,
        *,
        name: str = "",
        python: str = "",
        variables: Mapping[str, str] | None = None,
        skip_conda: bool = False,
    ) -> Self:
        """The pip part of a conda file, with its Python version and its variables.

        Packages that conda itself would install are told as faults, or left out with `skip_conda`.
        """
        found = requirements.read_conda(Path(path), skip_conda=skip_conda)
        given = {**found.variables, **(variables or {})}
        return cls(name or found.name or Path(path).stem, found.packages, given, python or found.python)

    @classmethod
    def from_pyproject(
        cls,
        path: str | Path = "pyproject.toml",
        *,
        extras: str | Sequence[str] = (),
        groups: str | Sequence[str] = (),
        name: str = "",
        python: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> Self:
        """The dependencies of a project, with those of named extras and dependency groups; not the project itself.

        `path` may be the folder. The project's own code belongs into the source folder, where it counts by content.
        """
        file = Path(path)
        file = file / "pyproject.toml" if file.is_dir() else file
        found = requirements.read_pyproject(file, _names(extras), _names(groups))
        return cls(name or found.name or file.parent.name, found.packages, variables or {}, python)

    @classmethod
    def from_dockerfile(cls, path: str | Path, *, name: str = "", variables: Mapping[str, str] | None = None) -> Self:
        """The image that a Dockerfile builds, without files beside it."""
        file = Path(path)
        text = requirements.read_text(file)
        return cls(name or file.parent.absolute().name, variables=variables or {}, dockerfile=text)

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:
        """From a file of any of these kinds, told by its name."""
        file = Path(path)
        if file.is_dir() or file.name == "pyproject.toml":
            return cls.from_pyproject(file, **options)
        if file.suffix in (".yml", ".yaml"):
            return cls.from_conda(file, **options)
        if "dockerfile" in file.name.lower():
            return cls.from_dockerfile(file, **options)
        return cls.from_requirements(file, **options)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
