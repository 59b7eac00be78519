"""Why a step ran: the difference between two key documents, as typed reasons.

The key is the digest of the same documents, so the explanation cannot disagree with the decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.classes import field, frozen
from pipelinekit.domain.attempts import OUTDATED
from pipelinekit.domain.runs import Reason
from pipelinekit.domain.texts import counted
from pipelinekit.engine.code.closure import TEXT, WHOLE

FIRST_RUN = Reason("first run", "it has not run before")
_OPENED = "which it opened without declaring it, changed"
_WHEN_OUTDATED = "which changed while the process of its last execution ran, may be another than it had imported"


@frozen
class Identity:
    """What one execution was made of.

    `inputs` are content digests by port, `shown` short texts of them, and `parts` has digest and text of each part of
    a list or dict by its place in it. `definition` is a definition's document and `places` says where its pieces of
    code stand, as [file, line, end]. `origins` says where inputs come from, as `parameter 'alpha'` or `step 'clean'`.
    `observed` are digests of files that were opened without being declared.
    """

    inputs: Mapping[str, str]
    definition: Mapping[str, Any]
    places: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    observed: Mapping[str, str] = field(default_factory=dict)


def difference(before: Identity, after: Identity) -> list[Reason]:
    """Every cause for which the two keys differ; empty when they are equal."""
    old, new = before.definition, after.definition
    reasons = [*_inputs(before, after), *_code(before, after), *_software(old.get("software", {}), new["software"])]
    reasons += _observed(before.observed, after.observed)
    if old.get("entry") != new["entry"] or old.get("kind") != new["kind"]:
        reasons.append(_change("code", "the step's function", "", str(old.get("entry")), str(new["entry"])))
    if old.get("outputs") != new["outputs"]:
        reasons.append(
            _change("outputs", "the declared outputs", "", _words(old.get("outputs")), _words(new["outputs"]))
        )
    if old.get("arguments") != new["arguments"]:
        words = str(old.get("arguments")), str(new["arguments"])
        reasons.append(_change("arguments", "the command line", "", *words))
    reasons += _secrets(old.get("secrets", {}), new.get("secrets", {}))
    if old.get("cache_version") != new["cache_version"]:
        words = str(old.get("cache_version")), str(new["cache_version"])
        reasons.append(_change("cache version", "the cache version", "", *words))
    return reasons


def _secrets(old: Mapping[str, int], new: Mapping[str, int]) -> list[Reason]:
    """Secrets that have another version, or are given only now or no longer; values are nobody's business."""
    return [
        _change("secret", f"secret {name!r}", name, _version_of(old, name), _version_of(new, name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _version_of(secrets: Mapping[str, int], name: str) -> str:
    return f"version {secrets[name]}" if name in secrets else ""


def _change(cause: str, what: str, name: str, before: str, after: str) -> Reason:
    return Reason(cause, f"{what} changed: {before or '(none)'} -> {after or '(none)'}", name, "", 0, before, after)


def _words(outputs: Any) -> str:
    return ", ".join(f"{name}: {kind[0]}{_form(kind[2:])}" for name, kind in (outputs or {}).items())


def _form(canonical: Sequence[Any]) -> str:
    if not canonical:
        return ""
    return f" (order={canonical[0]}, decimals={canonical[1]})"


def _inputs(before: Identity, after: Identity) -> list[Reason]:
    reasons = []
    for port in sorted({*before.inputs, *after.inputs}):
        old, new = before.inputs.get(port, ""), after.inputs.get(port, "")
        if old == new:
            continue
        parts = _changed_parts(before.parts.get(port, {}), after.parts.get(port, {}))
        origins = {place: after.origins.get(port + place, "") for place, _, _ in parts}
        whole = _origin(port, after.origins.get(port, ""))
        reasons += [
            _change(*_origin(port + place, origins[place]), *texts) for place, *texts in parts if origins[place]
        ]
        others = [part for part in parts if not origins[part[0]]]
        if others:
            cause, title, name = whole
            reasons.append(Reason(cause, f"{title} changed at {_listed(others)}", name, "", 0, *others[0][1:]))
        elif not parts:
            texts = [before.shown.get(port, old[:17]), after.shown.get(port, new[:17])]
            reasons.append(_change(*whole, *texts))
    return list(dict.fromkeys(reasons))


def _observed(before: Mapping[str, str], after: Mapping[str, str]) -> list[Reason]:
    return [
        Reason("undeclared", f"{name}, {_WHEN_OUTDATED if old == OUTDATED else _OPENED}", name, name, 0, old, new)
        for symbol, old in before.items()
        if (new := after.get(symbol, old)) != old  # what was not opened again has not changed
        for name in [symbol.partition(":")[2]]
    ]


def _origin(port: str, origin: str) -> tuple[str, str, str]:
    """Cause, title and name of a change of an input, or a part of one, that comes from `origin`."""
    if origin.startswith("parameter "):
        return "parameter", origin, origin.partition(" ")[2].strip("'")
    return "input", f"input {port!r}" + (f" from {origin}" if origin else ""), port


def _changed_parts(
    before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]
) -> list[tuple[str, str, str]]:
    """Place and texts of the parts that differ; empty when one side has no parts to compare."""
    if not before or not after:
        return []
    gone = ("", "(none)")
    pairs = [(place, before.get(place, gone), after.get(place, gone)) for place in {**before, **after}]
    return [(place, old[1], new[1]) for place, old, new in pairs if old[0] != new[0]]


def _listed(parts: Sequence[tuple[str, str, str]]) -> str:
    words = ", ".join(f"{place}: {old} -> {new}" for place, old, new in parts[:3])
    return words + (f" and {counted(len(parts) - 3, 'more place')}" if len(parts) > 3 else "")


def _code(before: Identity, after: Identity) -> list[Reason]:
    old, new = before.definition.get("code", {}), after.definition["code"]
    changed = [name for name in new if name in old and old[name] != new[name]]
    reasons = [_code_reason(name, after, "changed", old[name], new[name]) for name in sorted(changed)]
    reasons += [_code_reason(name, after, "is reached now", "", new[name]) for name in sorted(new.keys() - old.keys())]
    reasons += [
        _code_reason(name, before, "is no longer reached", old[name], "") for name in sorted(old.keys() - new.keys())
    ]
    return _without_echoes(reasons)


def _without_echoes(reasons: list[Reason]) -> list[Reason]:
    """A text that counts whole changes with the code in it: it is a cause of its own only where nothing else is."""
    texts = [reason for reason in reasons if reason.name.endswith(f":{TEXT}")]
    others = [reason for reason in reasons if reason not in texts]
    if any(reason.name == WHOLE for reason in others):
        return others
    files = {reason.file for reason in others}
    return others + [reason for reason in texts if reason.file not in files]


def _code_reason(symbol: str, side: Identity, words: str, before: str, after: str) -> Reason:
    file, line, _ = side.places.get(symbol, ("", 0, 0))
    place = f" at {file}:{line}" if file else ""
    if symbol == WHOLE:
        words = f"the source folder, which counts whole because of {file}:{line}, {words}"
        return Reason("code", words, symbol, file, line, before, after)
    if symbol.endswith(f":{TEXT}"):
        return Reason("code", text_words(file, words), symbol, file, line, before, after)
    return Reason("code", f"{symbol.replace(':', '.')}{place} {words}", symbol, file, line, before, after)


def text_words(place: str, words: str) -> str:
    """What is told of text that counts as it is written."""
    return f"the text of {place}, which counts because the step reads text of code, {words}"


def _software(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Reason]:
    reasons = []
    if old.get("python") != new["python"]:
        reasons.append(_change("python", "the Python interpreter", "", str(old.get("python", "")), new["python"]))
    packages = old.get("packages", {})
    for name in sorted({*packages, *new["packages"]}):
        versions = packages.get(name, ""), new["packages"].get(name, "")
        if versions[0] != versions[1]:
            reasons.append(_change("package", f"package {name}", name, *versions))
    variables = old.get("variables", {})
    for name in sorted({*variables, *new["variables"]}):
        if variables.get(name) != new["variables"].get(name):
            words = f"environment variable {name} changed"
            reasons.append(Reason("variable", words, name))
    bases = str(old.get("base", "")), str(new.get("base", ""))
    if bases[0] != bases[1]:
        reasons.append(_change("environment", "what the environment stands on", "", *bases))
    return [*reasons, *_lock(old.get("lock", []), new["lock"])]


def _lock(old: Sequence[str], new: Sequence[str]) -> list[Reason]:
    """Changes of a declared environment, by requirement; hashes count, but are not shown."""
    before, after = _pins(old), _pins(new)
    return [
        _change(
            "environment", f"{name} in the environment", name, _version(before.get(name)), _version(after.get(name))
        )
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _pins(lock: Sequence[str]) -> dict[str, str]:
    return {line.partition("==")[0]: line for line in lock}


def _version(line: str | None) -> str:
    return (line or "").partition("==")[2].partition(" ")[0]
