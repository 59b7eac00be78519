"""Times as people write them on the command line."""

from __future__ import annotations

import argparse
import datetime
import re

_SPAN = re.compile(r"(\d+)([dw])")
_SPAN_DAYS = {"d": 1, "w": 7}


def parse_when(text: str) -> float:
    """A time in seconds since 1970: so many days or weeks ago, or the beginning of a day."""
    today = datetime.datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if found := _SPAN.fullmatch(text):
            return (today - datetime.timedelta(days=int(found[1]) * _SPAN_DAYS[found[2]])).timestamp()
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give 30d, 12w or 2026-01-31") from None
