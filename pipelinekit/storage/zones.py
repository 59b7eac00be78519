"""Rules of time zones, as the system or the package `tzdata` has them."""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import zoneinfo
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path

from pipelinekit.errors import NotFoundError

_LINE = "# version "


class InstalledZones:
    """Implements `ports.Zones`."""

    def find(self, name: str) -> tzinfo:
        """The zone of this IANA name."""
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            names = sorted(zoneinfo.available_timezones())
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "give an IANA name, such as Europe/Berlin"
        raise NotFoundError(f"there is no time zone {name!r}", hint=hint)

    def version(self) -> str:
        """Which edition of the rules this is, such as `2026a`."""
        for folder in zoneinfo.TZPATH:
            with suppress(OSError):
                if not os.path.isdir(folder):
                    continue
                first = Path(folder, "tzdata.zi").read_text(encoding="utf-8").partition("\n")[0]
                if first.startswith(_LINE):
                    return first.removeprefix(_LINE).strip()
                break
        with suppress(importlib.metadata.PackageNotFoundError):
            return f"tzdata {importlib.metadata.version('tzdata')}"
        return "unknown"
