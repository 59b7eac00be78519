"""Proxies before a server: one cuts connections, swallows answers, or says that it is overloaded; one falls silent."""

import socket
import struct
import threading
from contextlib import suppress

BUSY = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 57\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>x</Message></Error> "
)


class Proxy:
    """Passes bytes on. `cuts` more connections are cut after so many bytes that go `up` or come `down`."""

    def __init__(self, endpoint):
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self.target = (host, int(port))
        self.up = self.down = None  # bytes after which a connection is cut
        self.cuts = self.busy = 0
        self.swallow = b""  # the answers to requests that begin so are swallowed, as often as `cuts` says
        self.seen = []
        self.held = threading.Event()
        self.hold = b""  # a POST with this in its first line is kept back; `held` tells
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._socket.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _spend(self, name):
        """Whether one of what is left of that misfortune is due."""
        with self._lock:
            left = getattr(self, name)
            setattr(self, name, max(left - 1, 0))
            return left > 0

    def _serve(self, client):
        if self._spend("busy"):
            with suppress(OSError):
                client.recv(65536)
                client.sendall(BUSY)
            client.close()
            return
        with suppress(OSError):
            server = socket.create_connection(self.target)
            threading.Thread(target=self._pass, args=(server, client, "down"), daemon=True).start()
            self._pass(client, server, "up")

    def _pass(self, source, target, way):
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if way == "up":
                    if data[:4] in (b"PUT ", b"POST", b"GET ", b"HEAD", b"DELE"):
                        self.seen.append(data.partition(b"\r\n")[0].decode())
                    if self.hold and data.startswith(b"POST") and self.hold in data.partition(b"\r\n")[0]:
                        self.held.set()
                        return
                    if self.swallow and data.startswith(self.swallow) and self._spend("cuts"):
                        target.sendall(data)
                        self._drain(source, target)
                        return
                passed += len(data)
                limit = getattr(self, way)
                if limit is not None and passed > limit and self._spend("cuts"):
                    target.sendall(data[: max(len(data) - 1000, 0)])
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _drain(self, client, server):
        """Let the server carry a request out, then leave the client without an answer."""
        client.settimeout(0.5)
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with suppress(OSError):
            server.settimeout(5)
            server.recv(65536)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Line:
    """A line between two that may fall silent, in one direction or both, or be torn; what was silent comes later.

    Bytes that come while it is silent are kept, as a network does that loses none in the end.
    """

    def __init__(self, host, port):
        self.target = (host, port)
        self.passes = {"up": threading.Event(), "down": threading.Event()}
        self.heal()
        self._pairs = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self, *ways):
        """Nothing comes through these ways, `up` from whoever connected or `down` to him; both by default."""
        for way in ways or self.passes:
            self.passes[way].clear()

    def heal(self):
        """Everything comes through again."""
        for passes in self.passes.values():
            passes.set()

    def tear(self):
        """Reset all connections that there are."""
        pairs, self._pairs = self._pairs, []
        for end in [end for pair in pairs for end in pair]:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self._socket.close()
        self.heal()
        self.tear()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self.target)
                self._pairs.append((client, server))
                for source, target, way in ((client, server, "up"), (server, client, "down")):
                    threading.Thread(target=self._pass, args=(source, target, way), daemon=True).start()

    def _pass(self, source, target, way):
        with suppress(OSError):
            while data := source.recv(65536):
                self.passes[way].wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
