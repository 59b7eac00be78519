"""What runs on a host that was reached by SSH: one node, for as long as the connection lasts.

It is told on its standard input what to be, certificates included, so that they stand in no argument, environment or
file. When that input ends, or is silent for too long, whoever started it is gone, and so is the node: a network that is
away need not tell. It says how it is in lines of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Nanny

from pipelinekit.compute.clusters import security_of
from pipelinekit.compute.nodes.circumstances import ANY_PORT_HERE, DEATH_SECONDS, address_towards
from pipelinekit.compute.worker import FOLDER, software

CLOSE_SECONDS = 5.0  # that a node may take to end; its processes end with this one in any case

Tell = Callable[[Mapping[str, Any]], None]


def main() -> int:
    """Be the node that standard input describes."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anybody prints is no line of ours

    def tell(line: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            print(json.dumps(line), file=told, flush=True)

    order = json.loads(sys.stdin.readline())
    if why := refusal(order):
        tell({"refused": why})
        return 1
    if order["folder"]:
        os.environ[FOLDER] = order["folder"]
    asyncio.run(_live(order, tell))
    os._exit(0)  # whatever still runs here is nobody's any more


def refusal(order: Mapping[str, Any]) -> str:
    """Why this host cannot have such a node; empty where it can."""
    for name, version in software().items():
        if order["software"][name] != version:
            return f"it has {name} {version}, but {order['software'][name]} is needed"
    if order["shared"]:
        return ""
    try:
        found = Path(order["home"], order["mark"]).read_text(encoding="ascii")
    except OSError:
        found = ""
    if found != order["certificates"]["ca"]:
        return f"it does not see the workspace folder {order['home']}, and blobs are in no object store"
    return ""


async def _live(order: Mapping[str, Any], tell: Tell) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while select.select([0], [], [], order["silence"])[0] and os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    place = urlsplit(order["scheduler"])
    nanny = Nanny(
        order["scheduler"],
        name=order["name"],
        nthreads=order["cores"],
        memory_limit=order["memory"],
        resources=order["resources"],
        host=address_towards(place.hostname or "", place.port or 0) or socket.gethostname(),
        protocol="tls://",
        security=security_of(order["certificates"]),
        dashboard=True,
        dashboard_address=ANY_PORT_HERE,
        death_timeout=DEATH_SECONDS,
        silence_logs=logging.ERROR,
    )
    waits = [asyncio.ensure_future(ended.wait())]
    try:
        starting = asyncio.ensure_future(nanny.start())
        await asyncio.wait([starting, *waits], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            tell({"address": nanny.worker_address})
            waits.append(asyncio.ensure_future(nanny.finished()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    except (OSError, ValueError, RuntimeError, TimeoutError) as error:
        tell({"refused": f"its node could not be started: {error}"})
    finally:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(nanny.close(reason="pipelinekit-host-ended"), CLOSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
