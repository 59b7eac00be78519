"""Mapped steps: from lists to elements, and from elements to works of their own."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.domain.graphs import Binding, ListOf, OutputRef
from pipelinekit.domain.names import element_name
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.values import PLAIN, StoredValue, plain
from pipelinekit.engine.work import Resolver, Work

Elements = dict[str, list[StoredValue | Work]]


def elements_of(
    work: Work, resolver: Resolver, works: list[Work], given: Mapping[str, tuple[StoredValue, ...]] | None = None
) -> tuple[Elements, dict[str, StoredValue], Failure | None]:
    """Elements of a mapped work by port; or the stored lists that must be read first; or why there are none.

    Elements of a mapped predecessor are its works themselves, so that each can go on as soon as its own is there.
    `given` holds the elements of lists that have been read meanwhile.
    """
    elements: Elements = {}
    lists: dict[str, StoredValue] = {}
    for port in work.node.each:
        binding = work.node.inputs[port]
        children = _children(binding, works)
        if children is not None:
            elements[port] = list(children)
        elif given and port in given:
            elements[port] = list(given[port])
        elif isinstance(binding, ListOf):
            values = [resolver.value(item) for item in binding.items]
            elements[port] = [value for value in values if value is not None]
        else:
            value = resolver.value(binding)
            found = _split(value) if value is not None else []
            if isinstance(found, Failure):
                return {}, {}, Failure(found.kind, f"input {port!r} is mapped over, but {found.message}")
            if found is None and value is not None:
                lists[port] = value
            else:
                elements[port] = list(found or ())
    return elements, lists, None


def has_lists(work: Work, resolver: Resolver, works: list[Work]) -> bool:
    """Whether there is something to map over: False when a list comes from a step that was skipped."""
    bindings = [work.node.inputs[port] for port in work.node.each]
    return all(_children(item, works) is not None or resolver.value(item) is not None for item in bindings)


def uneven(elements: Elements) -> Failure | None:
    """What is wrong with lists that are to be mapped over together; None when they are of one length."""
    lengths = {port: len(values) for port, values in elements.items()}
    if len(set(lengths.values())) <= 1:
        return None
    words = ", ".join(f"{port} has {count}" for port, count in lengths.items())
    return Failure("input", f"the lists that are mapped over differ in length: {words}")


def make_children(work: Work, elements: Elements) -> list[Work]:
    """One work for each position in the lists; each waits for the works among its elements that have not ended."""
    count = len(next(iter(elements.values()), ()))
    children = []
    for index in range(count):
        child = Work(element_name(work.name, index), work.node, work.position, work.step, work, index)
        for port, values in elements.items():
            value = values[index]
            child.fixed[port] = value
            if isinstance(value, Work) and not value.status.final and child not in value.followers:
                value.followers.append(child)
                child.waiting += 1
        children.append(child)
    return children


def _children(binding: Binding, works: list[Work]) -> list[Work] | None:
    if isinstance(binding, OutputRef):
        return works[binding.node].children
    return None


def _split(value: StoredValue) -> list[StoredValue] | Failure | None:
    """Elements of a stored list; None when the list must be read first."""
    if value.format == "list":
        return list(value.items)
    if value.is_inline:
        if not isinstance(value.inline, list | tuple):
            return Failure("input", f"its value is a {type(value.inline).__name__}, not a list")
        return [plain(item) for item in value.inline]
    if value.format == PLAIN:
        return None
    return Failure("input", f"its value is stored as {value.format}, not as a list")
