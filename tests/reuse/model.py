"""The oracles: a naive executor without any cache, and what had to be executed, by structure alone.

No digest, key or document of ours is used here, so that a field missing from a key shows as a result taken wrongly, and
one too many as an execution without need.
"""

from collections import Counter
from dataclasses import dataclass, field

from worlds import PARAMETERS, File, Folder, Items, Plain, Refused, freeze, run_op, thaw


@dataclass
class Item:
    """What becomes of one step, or of one element of a mapped step."""

    name: str
    outcome: str  # "value", "failed", "skipped"; "broken" for skipped because something before did not complete
    identity: tuple = ()
    value: object = None
    step: object = None
    sources: tuple = ()  # the items that its inputs come from
    reads: frozenset = frozenset()  # the stored contents that it reads


def surroundings(world, step):
    """What a program sees beside its inputs."""
    function = world.functions[step.function]
    return f"{step.mode}{world.helper if function.helper else ''}".encode()


def identity_of(world, step, xs):
    """Everything that an execution is made of, compared by structure. Names, notes, comments and places are not in it."""
    function = world.functions[step.function]
    return (
        step.function,
        (function.op, function.code, world.helper if function.helper else None),
        (world.python, world.library, step.mode, step.lock),
        step.cache_version,
        xs,
        freeze(PARAMETERS[world.parameter(step)]),
        world.data(step.data) if step.data else None,
    )


def elements(value):
    """What a step is mapped over."""
    return value.values if isinstance(value, Items) else tuple(Plain(freeze(item)) for item in thaw(value.value))


def evaluate(world, drawn):
    """Every step from scratch, in order: a list of items for each node. `drawn(name, identity)` says what a nonce drew."""
    found = []
    for step in world.steps:
        needed = (*step.xs, step.condition) if step.condition >= 0 else step.xs
        shared = {position for position in step.xs if step.mapped and world.steps[position].mapped}
        opened = {position for position in shared if not _is_closed(found[position])}
        if any(_broken(found[position]) for position in set(needed) - (opened - {step.condition})):
            found.append([Item(step.name, "broken", step=step)])
        elif step.condition >= 0 and not _truth(found[step.condition]):
            found.append([Item(step.name, "skipped", step=step)])
        elif not step.mapped:
            found.append([_one(world, step, found, drawn)])
        else:
            found.append(_mapped(world, step, found, drawn))
    return found


class Elements(list):
    """The items of a mapped node that was opened, as against one that was skipped whole."""


def _is_closed(items):
    return not isinstance(items, Elements)


def _broken(items):
    return any(item.outcome in ("failed", "broken") for item in items)


def _truth(items):
    return items[0].outcome == "value" and bool(thaw(items[0].value.value))


def output(items):
    """The output of a node as later ones see it; None when it was skipped."""
    if isinstance(items, Elements):
        return Items(tuple(item.value for item in items if item.outcome == "value"))
    return items[0].value if items[0].outcome == "value" else None


def _one(world, step, found, drawn):
    values = [output(found[position]) for position in step.xs]
    sources = tuple(item for position in step.xs for item in found[position])
    if step.direct and len(values) == 1:
        if values[0] is None:
            return Item(step.name, "skipped", step=step)
        return _execute(world, step, step.name, values[0], values, sources, drawn)
    present = [value for value in values if value is not None]
    return _execute(world, step, step.name, Items(tuple(present)), present, sources, drawn)


def _mapped(world, step, found, drawn):
    before = found[step.xs[0]]
    result = Elements()
    if isinstance(before, Elements):
        for index, source in enumerate(before):
            name = f"{step.name}[{index}]"
            if source.outcome == "value":
                result.append(_execute(world, step, name, source.value, [source.value], (source,), drawn))
            else:
                outcome = "skipped" if source.outcome == "skipped" else "broken"
                result.append(Item(name, outcome, step=step))
        return result
    value = output(before)
    if value is None:
        return [Item(step.name, "skipped", step=step)]
    for index, element in enumerate(elements(value)):
        result.append(_execute(world, step, f"{step.name}[{index}]", element, [element], tuple(before), drawn))
    return result


def _execute(world, step, name, bound, values, sources, drawn):
    identity = identity_of(world, step, bound)
    data = world.data(step.data) if step.data else None
    k = Plain(freeze(PARAMETERS[world.parameter(step)]))
    reads = frozenset().union(*(contents(value) for value in values))
    try:
        op = world.functions[step.function].op
        value = run_op(op, k, values, data, surroundings(world, step), lambda: drawn(name, identity))
    except Refused:
        return Item(name, "failed", identity, None, step, sources, reads)
    return Item(name, "value", identity, value, step, sources, reads)


def contents(value):
    """The stored files behind a value: each file's bytes, and each folder's tree."""
    match value:
        case File(data=data):
            return {data}
        case Folder(files=files):
            return {value, *(data for _, data, _ in files)}
        case Items(values=values):
            return set().union(*(contents(item) for item in values))
    return set()


@dataclass
class Model:
    """What has been executed and kept: by structure."""

    seen: dict = field(default_factory=dict)  # identity: (value, time)
    gone: set = field(default_factory=set)  # contents that are not in the store any more
    keys: dict = field(default_factory=dict)  # identity: key, as the records say: one to one
    mended: set = field(default_factory=set)  # identities whose damaged contents an execution may have brought back

    def usable(self, item, now):
        """Whether what was kept answers for this item."""
        if not item.step.allow_reuse or item.identity not in self.seen:
            return False
        value, at = self.seen[item.identity]
        if item.step.max_age and at < now - item.step.max_age:
            return False
        return not contents(value) & self.gone

    def expected(self, items, now, forced="", damaged=None):
        """How often each identity is executed by a run; by which a completion under it is made."""
        executed = Counter()
        for item in items:
            if item.outcome == "failed" or (item.outcome == "value" and not item.step.allow_reuse):
                executed[item.identity] += 1
        for item in items:
            if item.outcome != "value" or not item.step.allow_reuse:
                continue
            if item.step.name == forced or not self.usable(item, now):
                executed[item.identity] = max(executed[item.identity], 1 + self.volatile(items, item.identity))
        again = set() if damaged is None else self._rewound(items, executed, damaged)
        executed.update(again)
        self.mended = {identity for identity in again if self.volatile(items, identity)}
        return executed

    @staticmethod
    def volatile(items, identity):
        """How many of these items execute an identity whatever was kept."""
        return sum(item.identity == identity and not item.step.allow_reuse for item in items)

    @staticmethod
    def _rewound(items, executed, damaged):
        """Whoever executes and reads what is damaged has its maker execute once more, and so on upward: these makers."""
        again = set()
        while True:
            makers = {
                source.identity
                for item in items
                if damaged in item.reads and (executed[item.identity] or item.identity in again)
                for source in item.sources
                if source.outcome == "value" and damaged in contents(source.value)
            }
            if makers <= again:
                return again
            again |= makers

    def ambiguous(self, items, executed):
        """Identities whose lost contents another step may bring back in time: whether they execute depends on order.

        What is damaged may be mended so, too: by a step that is the same execution, and executes anyway.
        """
        found = set(self.mended)
        for item in items:
            if item.outcome == "value" and item.step.allow_reuse and item.identity in self.seen:
                lost = contents(self.seen[item.identity][0]) & self.gone
                others = [
                    other
                    for other in items
                    if executed[other.identity]
                    if other.identity != item.identity or not other.step.allow_reuse  # which execute anyway
                ]
                brought = set().union(*(contents(other.value) for other in others if other.outcome == "value"))
                if lost and lost <= brought:
                    found.add(item.identity)
        return found

    def learn(self, item, value, now):
        """An execution was accepted."""
        self.gone -= contents(value)
        if item.step.allow_reuse:
            self.seen[item.identity] = (value, now)
