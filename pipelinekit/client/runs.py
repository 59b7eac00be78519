"""Runs that a server has: who uses the client says what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar


class Called(Protocol):
    """A run. One that was just called knows the secret that signs what its call-back is told."""

    callback_secret: str


RunT = TypeVar("RunT", bound=Called)
Find = Callable[[str], RunT]  # the run of an id
