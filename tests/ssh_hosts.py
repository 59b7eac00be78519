"""Hosts that are reached by SSH: servers in processes of their own, on this machine, which execute what they are told.

As a program (`python ssh_hosts.py FOLDER PORT`) it is such a server. Keys and what it listens at lie in the folder.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import asyncssh
import psutil


async def serve(folder, port):
    """Serve until this process ends. Whoever has the key in `authorized` may execute anything."""
    listener = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized"),
        process_factory=execute,
        config=None,
        encoding=None,
    )
    ready = folder / "port.new"
    ready.write_text(str(listener.get_port()))
    ready.rename(folder / "port")
    await listener.wait_closed()


async def feed(source, target):
    """Hand input on; it ends with the connection."""
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except (OSError, asyncssh.Error):
        pass
    finally:
        target.close()


async def pump(source, target):
    """Hand output on, for as long as somebody is there."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            target.write(data)


async def execute(process):
    """Execute a command as sshd does: with pipes, and no signal when the connection is gone."""
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    feeding = asyncio.create_task(feed(process.stdin, child.stdin))
    pumps = [
        asyncio.create_task(pump(child.stdout, process.stdout)),
        asyncio.create_task(pump(child.stderr, process.stderr)),
    ]
    code = await child.wait()
    await asyncio.wait(pumps, timeout=1)  # others may hold its standard error
    feeding.cancel()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


class SSHHost:
    """A host. `login` names it as a definition does, and `key` is the text of the private key that it takes."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.key = key.export_private_key().decode()
        host_key.write_private_key(str(folder / "host_key"))
        key.write_public_key(str(folder / "authorized"))
        self._public = host_key.export_public_key().decode()
        self.port = 0
        self.start()

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    @property
    def known(self):
        """Its line of a file of known hosts."""
        return f"[127.0.0.1]:{self.port} {self._public}"

    def start(self):
        (self.folder / "port").unlink(missing_ok=True)
        with (self.folder / "log").open("a") as log:
            words = [sys.executable, __file__, str(self.folder), str(self.port)]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not (self.folder / "port").exists():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "the SSH server does not begin"
            time.sleep(0.02)
        self.port = int((self.folder / "port").read_text())

    def below(self):
        """The processes that run on it."""
        return [item for item in psutil.Process(self.process.pid).children(recursive=True) if item.is_running()]

    def nodes(self):
        """How many nodes run on it."""
        words = [" ".join(item.cmdline()) for item in self.below() if item.status() != psutil.STATUS_ZOMBIE]
        return len([text for text in words if "-m pipelinekit.compute.nodes.host" in text and "/bin/sh" not in text])

    def die(self):
        """Lose power: everything that runs there ends without a word."""
        if self.process.poll() is None:
            doomed = [*self.below(), psutil.Process(self.process.pid)]
            for item in doomed:
                with suppress(psutil.NoSuchProcess):
                    item.suspend()
            for item in doomed:
                with suppress(psutil.NoSuchProcess):
                    item.kill()
            self.process.wait()


if __name__ == "__main__":
    os.setsid()
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
