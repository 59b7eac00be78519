"""The words of a command, read without argparse where it is evident what they say.

argparse costs a twentieth of a run in which nothing is new: its import, that of gettext and of locale, and a formatter
for each argument. A command declares its arguments in the same way to either; what is not evident here (a mistake,
a call for help, a short form, verbs) is argparse's to read or to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from pipelinekit.typed import Any

_KNOWN = {"action", "default", "help", "metavar", "nargs", "type", "const"}
_ACTIONS = ("store", "store_true", "append")


class NotEvidentError(Exception):
    """What is declared or said is for argparse."""


class Words:
    """Takes declarations as an `ArgumentParser` does, and reads what is evident by them."""

    def __init__(self) -> None:
        self._options: dict[str, tuple[str, dict[str, Any]]] = {}
        self._targets: list[str] = []
        self._found = SimpleNamespace()

    def add_argument(self, *names: str, **given: Any) -> None:
        """Declare an option, or the one word that is no option."""
        if not given.keys() <= _KNOWN or given.get("action", "store") not in _ACTIONS:
            raise NotEvidentError
        if not names[0].startswith("-"):
            if len(given.keys() - {"help", "metavar"}) or self._targets:
                raise NotEvidentError
            self._targets.append(names[0])
            return
        long = next(name for name in names if name.startswith("--"))
        dest = long[2:].replace("-", "_")
        default = given.get("default", False if given.get("action") == "store_true" else None)
        if isinstance(default, str) and "type" in given:
            raise NotEvidentError
        setattr(self._found, dest, default)
        self._options.update(dict.fromkeys(names, (dest, given)))

    def add_subparsers(self, **_: Any) -> Any:
        """Verbs are argparse's."""
        raise NotEvidentError

    def read(self, words: Sequence[str]) -> SimpleNamespace:
        """What the words say. Raises NotEvidentError."""
        plain = []
        coming = iter(words)
        for word in coming:
            if not word.startswith("-"):
                plain.append(word)
                continue
            name, equals, value = word.partition("=")
            dest, given = self._options.get(name, ("", {}))
            if not dest or "nargs" in given or (equals and not name.startswith("--")):
                raise NotEvidentError
            if given.get("action") == "store_true":
                if equals:
                    raise NotEvidentError
                setattr(self._found, dest, True)
                continue
            if not equals:
                value = next(coming, "-")
                if value.startswith("-"):
                    raise NotEvidentError
            self._keep(dest, given, value)
        if len(plain) != len(self._targets):
            raise NotEvidentError
        for name, word in zip(self._targets, plain, strict=True):
            setattr(self._found, name, word)
        return self._found

    def _keep(self, dest: str, given: dict[str, Any], text: str) -> None:
        try:
            value = given.get("type", str)(text)
        except Exception:  # argparse knows which of them are mistakes of the user
            raise NotEvidentError from None
        if given.get("action") == "append":
            value = [*(getattr(self._found, dest) or ()), value]
        setattr(self._found, dest, value)


def read_words(declare: Callable[[Any], None], words: Sequence[str]) -> SimpleNamespace | None:
    """What the words say by the arguments that `declare` adds to what it is given; None where that is not evident."""
    try:
        reader = Words()
        declare(reader)
        return reader.read(words)
    except NotEvidentError:
        return None
