"""From a registered datastore to its files: which implementation, with which credentials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.domain.datastores import LOCAL, WEB, Datastore
from pipelinekit.errors import NotFoundError
from pipelinekit.late import late
from pipelinekit.ports import SecretValues, Store
from pipelinekit.storage.stores.local import LocalStore

if TYPE_CHECKING:
    from pipelinekit.storage.stores import remote, web
else:
    remote = late("pipelinekit.storage.stores.remote")
    web = late("pipelinekit.storage.stores.web")


def open_store(record: Datastore, secrets: SecretValues) -> Store:
    """The files of a datastore. Values of secrets are looked up now, and kept nowhere but in what is opened."""
    if record.kind == LOCAL:
        return LocalStore(record.name, Path(record.url.removeprefix("file://")))
    values = {option: secrets.get(name) for option, name in record.secrets.items()}
    if record.kind == WEB:
        return web.WebStore(record.name, record.url, values, allow_private=record.allow_private)
    return remote.RemoteStore(record, values)


class NoSecrets:
    """Implements `ports.SecretValues` where a workspace keeps none."""

    def get(self, name: str) -> str:
        """There is none."""
        raise NotFoundError(f"there is no secret {name!r}", hint="this workspace keeps no secrets")
