"""Steps that are coroutines. A module of its own, because asyncio costs more to import than most steps take."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Wait for a coroutine on an event loop of its own."""
    return asyncio.run(coroutine)
