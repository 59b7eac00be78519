"""A load generator: so many connections, each with a request under way at any time; nothing but asyncio and sockets."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Load:
    """What came of it: seconds that each answer took, by whether it was the one that was hoped for, and when."""

    good: list[float] = field(default_factory=list)
    other: dict[int, int] = field(default_factory=dict)
    ended: list[float] = field(default_factory=list)

    def told(self, seconds: float) -> dict[str, float]:
        took = sorted(self.good)
        return {
            "per_second": len(took) / seconds,
            "median_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[int(len(took) * 0.99)],
            "refused": sum(self.other.values()),
        }


def request(path: str, body: bytes, method: str = "POST", **headers: str) -> bytes:
    """A request as it goes over the wire."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer, which is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line[:15].lower() == b"content-length:")
    await reader.readexactly(length)
    return int(lines[0].split()[1])


async def _connection(address, requests, wanted: int, until: float, load: Load, pace: float = 0.0, at: float = 0.0):
    """One after the other. With a `pace` the n-th is due `n * pace` s after `at`, and its time counts from then."""
    reader, writer = await asyncio.open_connection(*address)
    for number, text in enumerate(requests):
        began = at + number * pace if pace else time.monotonic()
        if began > until:
            break
        if (early := began - time.monotonic()) > 0:
            await asyncio.sleep(early)
        try:
            writer.write(text)
            status = await _answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):  # some servers end a connection now and then
            status = 0
            reader, writer = await asyncio.open_connection(*address)
        now = time.monotonic()
        if status == wanted:
            load.good.append(now - began)
            load.ended.append(now)
        else:
            load.other[status] = load.other.get(status, 0) + 1
            await asyncio.sleep(0.05)
    writer.close()


def press(url: str, connections, wanted: int, seconds: float, per_second: float = 0.0) -> Load:
    """Send what each of these connections gives, one after the other, until the time is over.

    With `per_second` so many are sent in all, evenly, whether or not those before are answered as fast.
    """
    parts = urlsplit(url)
    load = Load()

    async def all_of_them() -> None:
        began = time.monotonic()
        address = parts.hostname, parts.port
        pace = len(connections) / per_second if per_second else 0.0
        lines = [
            _connection(address, each, wanted, began + seconds, load, pace, began + pace * place / len(connections))
            for place, each in enumerate(connections)
        ]
        await asyncio.gather(*lines)

    asyncio.run(all_of_them())
    return load
