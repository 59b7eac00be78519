"""Machines for tests: processes with a host name, a boot, a clock since boot and process ids of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

from conftest import Project

HURRIED = Path(__file__).with_name("hurried.py")
START = """
mount --bind "$1" /proc/sys/kernel/random/boot_id && hostname "$2" && shift 2 && exec "$@"
"""


def isolated(boot, host, *options):
    """Words before a command, so that it runs on a machine of its own."""
    boot.write_text(f"00000000-0000-0000-0000-{host:0>12}\n")
    namespaces = ["unshare", "-rmu", "--pid", "--fork", "--mount-proc", "--kill-child", *options]
    words = [*namespaces, "sh", "-c", START, "sh", str(boot), host]
    assert shutil.which("unshare"), "unshare (util-linux) is needed"
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"no namespaces can be made here: {done.stderr}"
    return words


class Machine(Project):
    """A machine with a workspace folder of its own; records and blobs it shares with others."""

    def __init__(self, folder, records, blobs, lease, *, since_boot):
        folder.mkdir()
        super().__init__(folder)
        self.home.mkdir()
        (self.home / "config.toml").write_text(f'records = "{records}"\n')
        (self.home / "blobs").symlink_to(blobs)
        self.lease = lease
        self.processes = []
        self.words = isolated(folder / "boot", folder.name, "--time", "--boottime", str(since_boot))

    def start(self, *words, **options):
        """Start a command on this machine."""
        command = [*self.words, sys.executable, "-P", str(HURRIED), str(self.lease), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.processes.append(subprocess.Popen(command, cwd=self.folder, **pipes, **options))
        return self.processes[-1]

    def end(self):
        """Cut the power."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
