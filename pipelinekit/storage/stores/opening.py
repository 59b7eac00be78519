"""From a registered datastore to its files: which implementation, with which credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.domain.datastores import LOCAL, WEB, Datastore
from pipelinekit.late import late
from pipelinekit.ports.datasets import SecretValues, Store
from pipelinekit.storage.stores.local import LocalStore

if TYPE_CHECKING:
    from pipelinekit.storage.stores import remote, web
else:
    remote = late("pipelinekit.storage.stores.remote")
    web = late("pipelinekit.storage.stores.web")


class StoreOpener:
    """Opens datastores. One is opened once, for as long as it and the values of its secrets stay what they were."""

    def __init__(self, secrets: Callable[[], SecretValues]) -> None:
        self._secrets = secrets
        self._opened: dict[str, tuple[Datastore, Mapping[str, str], Store]] = {}

    def __call__(self, record: Datastore) -> Store:
        """The files of a datastore."""
        values = {option: self._secrets().get(name) for option, name in record.secrets.items()}
        known = self._opened.get(record.name)
        if known is None or known[:2] != (record, values):
            known = self._opened[record.name] = record, values, open_store(record, values)
        return known[2]


def open_store(record: Datastore, secrets: Mapping[str, str]) -> Store:
    """The files of a datastore, reached with these values of its secrets, which are kept nowhere else."""
    if record.kind == LOCAL:
        return LocalStore(f"datastore {record.name!r}", Path(record.url.removeprefix("file://")))
    if record.kind == WEB:
        return web.WebStore(record.name, record.url, secrets, allow_private=record.allow_private)
    return remote.RemoteStore(record, secrets)
