"""Which SFTP servers are taken for the ones that they say they are: none on first sight."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import paramiko

from pipelinekit.errors import StorageError


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Takes a server whose key is in the user's `known_hosts`, or has the fingerprint that was registered."""

    def __init__(self, name: str, fingerprint: str) -> None:
        self._name = name
        self._fingerprint = fingerprint.strip()

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002 - paramiko's
        """Raise StorageError for a server that is not known."""
        found = "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        if self._fingerprint:
            if found == self._fingerprint:
                return
        else:
            known = Path.home() / ".ssh" / "known_hosts"
            if known.is_file() and paramiko.HostKeys(str(known)).check(hostname, key):
                return
        raise StorageError(
            f"datastore {self._name!r}: the server {hostname} shows the key {found}, which is not known",
            hint="if it is the right one, add it to ~/.ssh/known_hosts, or register it with the option host_key",
        )
