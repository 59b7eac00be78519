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


def request(path: str, body: bytes, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
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


async def _connection(address, requests, wanted: int, until: float, load: Load) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for text in requests:
        began = time.monotonic()
        if began > until:
            break
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


def press(url: str, connections, wanted: int, seconds: float) -> Load:
    """Send what each of these connections gives, one after the other, until the time is over."""
    parts = urlsplit(url)
    load = Load()

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        address = parts.hostname, parts.port
        await asyncio.gather(*(_connection(address, each, wanted, until, load) for each in connections))

    asyncio.run(all_of_them())
    return load
