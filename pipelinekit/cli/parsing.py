"""Reading the words of a command with argparse, where they are not evident; what does not fit is told with a hint."""

from __future__ import annotations

import argparse
import re

from pipelinekit.typed import NoReturn

_UNKNOWN = re.compile(r"unrecognized arguments: ([\w-]+=\S*)")


class Parser(argparse.ArgumentParser):
    """A parser that says what to do next."""

    def error(self, message: str) -> NoReturn:
        """Tell what does not fit, and end with exit code 2."""
        hint = self._hint(message)
        super().error(f"{message}\n  hint: {hint}" if hint else message)

    def _hint(self, message: str) -> str:
        known = {option for action in self._actions for option in action.option_strings}
        if "-p" in known and (found := _UNKNOWN.search(message)):
            return f"values of parameters are given as -p {found[1]}"
        if message.endswith("are required: VERB"):
            verbs = next(action.choices for action in self._actions if action.dest == "verb")
            return f"VERB is one of {', '.join(verbs or ())}; '{self.prog} --help' says more"
        return ""
