"""Pipeline parameters: name, type, default, and whether the graph's shape depends on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.types import DATASET, DATASTORE, PortType, coerce, paths_in, problem, shorten
from pipelinekit.errors import Fault, ParameterError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import difflib
else:
    difflib = late("difflib")


@frozen
class Parameter:
    """One parameter of a pipeline.

    A `structural` parameter decided the shape of the compiled graph (a loop's count, a branch): `default` is then the
    value that is fixed in the graph, and `reason` says where it was used.
    """

    name: str
    type: PortType
    required: bool = True
    default: Any = None
    structural: bool = False
    reason: str = ""


def bind(
    parameters: Sequence[Parameter], given: Mapping[str, Any], elsewhere: Collection[str] = ()
) -> tuple[dict[str, Any], list[Fault]]:
    """Values for all parameters out of the given ones and the defaults, and everything that is wrong with them.

    A structural parameter may be given only the value that is fixed in the graph. Those of the names `elsewhere` have
    a value that is not looked at here, unless they are given.
    """
    faults = unknown_names(given, (parameter.name for parameter in parameters))
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name not in given:
            if parameter.name in elsewhere:
                continue
            if parameter.required:
                faults.append(Fault(f"parameter {parameter.name!r} ({parameter.type}) has no value and no default"))
            else:
                values[parameter.name] = parameter.default
            continue
        value = given[parameter.name]
        if why := problem(parameter.type, value):
            faults.append(Fault(f"parameter {parameter.name!r}: {why}"))
            continue
        value = coerce(parameter.type, value)
        if parameter.structural and value != parameter.default:
            faults.append(_structural_fault(parameter, value))
        values[parameter.name] = value
    return values, faults


def read_values(
    parameters: Sequence[Parameter],
    given: Mapping[str, Any],
    read: Callable[[PortType, Any], Any],
    *,
    no_files: str = "",
) -> dict[str, Any]:
    """The values that what is given stands for, each read by its type; `read` raises ValueError with a reason.

    `no_files` says why no file of this machine may be named, where that is so. Raises ParameterError naming everything
    that does not fit.
    """
    kinds = {parameter.name: parameter.type for parameter in parameters}
    faults = unknown_names(given, kinds)
    values: dict[str, Any] = {}
    for name in (name for name in given if name in kinds):
        try:
            values[name] = read(kinds[name], given[name])
        except ValueError as error:
            faults.append(Fault(f"parameter {name!r}: {error}"))
            continue
        if no_files and any(not ref.dataset for ref in paths_in(values[name])):
            faults.append(Fault(f"parameter {name!r}: {no_files}", hint=f"write {DATASET}NAME or {DATASTORE}NAME/PATH"))
    if faults:
        raise ParameterError("the parameters do not fit", faults=faults)
    return values


def unknown_names(given: Iterable[str], known: Iterable[str]) -> list[Fault]:
    """A fault for each given name that is not known, with the nearest known one."""
    names = sorted(known)
    faults = []
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
            faults.append(Fault(f"there is no parameter {name!r}", hint=hint))
    return faults


def _structural_fault(parameter: Parameter, value: Any) -> Fault:
    return Fault(
        f"parameter {parameter.name!r} is structural: it is fixed at {shorten(parameter.default)} in this graph, "
        f"not {shorten(value)}, because {parameter.reason or 'it shaped the graph'}",
        hint="compile the pipeline again with the new value",
    )
