"""The floor of a server under load: a FastAPI route that reads its JSON and answers, and keeps nothing.

python3 benchmarks/workloads/busy_route.py [FOLDER]
"""

import json
import socket
import threading
import time

import load
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

SECONDS, CONNECTIONS = 10.0, 16


class Call(BaseModel):
    """What a call says."""

    parameters: dict[str, int]


def main() -> None:
    """Serve and press."""
    app = FastAPI()

    @app.post("/call", status_code=202)
    async def call(body: Call) -> dict[str, str]:
        return {"id": str(len(body.parameters)), "status": "Queued"}

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", http="h11", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.05)
    text = load.request("/call", json.dumps({"parameters": {"number": 1}}).encode())
    each = [iter(lambda: text, None) for _ in range(CONNECTIONS)]
    told = load.press(f"http://127.0.0.1:{listening.getsockname()[1]}", each, 202, SECONDS).told(SECONDS)
    server.should_exit = True
    thread.join()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
