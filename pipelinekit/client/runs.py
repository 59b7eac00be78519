"""How the other nouns of a server come by runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

RunT = TypeVar("RunT")
Find = Callable[[str], RunT]  # the run of an id
