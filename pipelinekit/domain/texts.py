"""How durations, sizes, counts and statuses are said to people, the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.domain.runs import StepStatus

STATUS_MARKS: Mapping[StepStatus, str] = {
    StepStatus.FAILED: "✗",
    StepStatus.RUNNING: "▶",
    StepStatus.QUEUED: "…",
    StepStatus.CANCELED: "⊘",
    StepStatus.NOT_STARTED: "·",
    StepStatus.COMPLETED: "●",
    StepStatus.REUSED: "♻",
    StepStatus.SKIPPED: "–",
}  # in the order in which they speak for something that has several


def seconds_text(seconds: float) -> str:
    """A duration as people say it: `40 ms`, `1.2 s`, `3 min 5 s`, `2 h 4 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size_text(size: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def counted(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ranges_text(numbers: list[int]) -> str:
    """Ascending numbers in short: `0-3,5,7-9`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def printable(text: str) -> str:
    """The text in one line, without what would move a cursor, change colours or turn the direction of writing."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _visible(letter) for letter in text)


def _visible(letter: str) -> str:
    if letter in "\n\r\t":
        return " "
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"
