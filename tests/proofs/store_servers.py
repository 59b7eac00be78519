"""The suites of stores against servers that are not made of Python: Azurite for Azure Blob Storage, rclone for S3.

Run by `make stores`, which installs both. Here, as everywhere, a server that is not there is a failure.
"""

import datetime
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import object_servers
import pytest
from conftest import wait_for

from pipelinekit.domain.stores import StoreAddress
from tests.contracts.test_stores import ObjectStoreContract
from tests.contracts.test_upkeep import ObjectUpkeepContract

# what sends to Azure hands larger bodies on in one piece; parts are small enough for that
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
WELL_KNOWN_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # of every Azurite
)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def program(name, *places):
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"]]))
    assert found, f"{name} is not installed: 'make stores' installs it"
    return found


class Server:
    """A server process with a folder of its own."""

    def __init__(self, folder, *command):
        self.port = free_port()
        self.log = (folder / "log").open("w")
        words = [word.replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(words, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT)
        wait_for(lambda: answers(self.port))

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("azurite")
    here = Path(__file__).parents[2] / ".servers" / "node_modules" / ".bin"
    words = ("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry")
    server = Server(folder, program("azurite-blob", str(here)), "--blobPort", "PORT", *words)
    endpoint = f"http://127.0.0.1:{server.port}/devstoreaccount1"
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={WELL_KNOWN_KEY};BlobEndpoint={endpoint};"
    )
    yield server
    server.close()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rclone")
    key = f"{object_servers.CREDENTIALS['AWS_ACCESS_KEY_ID']},{object_servers.CREDENTIALS['AWS_SECRET_ACCESS_KEY']}"
    os.environ.update(object_servers.CREDENTIALS)
    (folder / "served").mkdir()
    server = Server(
        folder,
        program("rclone", str(Path(sys.executable).parent)),
        "serve",
        "s3",
        "--addr",
        "127.0.0.1:PORT",
        "--auth-key",
        key,
        "--dir-cache-time",
        "1s",
        str(folder / "served"),
    )
    server.folder = folder / "served"
    yield server
    server.close()


def azure_address():
    address = StoreAddress(f"az://box-{time.monotonic_ns()}/some/prefix")
    object_servers.ObjectStore(address)._fs.mkdir(address.url[5:].partition("/")[0])
    return address


def s3_address(rclone):
    bucket = f"bucket-{time.monotonic_ns()}"
    address = StoreAddress(f"s3://{bucket}/some/prefix", f"http://127.0.0.1:{rclone.port}", "us-east-1")
    object_servers.ObjectStore(address)._fs.mkdir(bucket)
    return address


class TestAzure(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, azurite):
        self.folder, self.place = tmp_path, azure_address()


class TestRclone(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, rclone):
        self.folder, self.place = tmp_path, s3_address(rclone)


class CorrectedUpkeep(ObjectUpkeepContract):
    """These servers let nobody change times: what they say of objects that are to be old is corrected here."""

    def age(self, made, seconds):
        store = made.blobs.store
        library, before = store._fs, dict(store.walk())
        by = datetime.timedelta(seconds=seconds)

        def aged(info):
            name = info["name"].removeprefix(store._root + "/")
            key = "LastModified" if "LastModified" in info else "last_modified"
            if name not in before or int(before[name].modified) != int(info[key].timestamp()):
                return info
            return {**info, key: info[key] - by}

        class Aged:
            def __getattr__(self, name):
                return getattr(library, name)

            def info(self, path):
                return aged(library.info(path))

            def find(self, path, detail):
                return {name: aged(info) for name, info in library.find(path, detail=detail).items()}

        later = object_servers.opened(self.place, self.folder / "copies")
        made.blobs.uses, made.upkeep.uses = later.blobs.uses, later.upkeep.uses
        for one in (made.blobs.store, made.upkeep.store, later.blobs.store):
            one.__dict__["_fs"] = Aged()


class TestAzureUpkeep(CorrectedUpkeep):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, azurite):
        self.folder, self.place = tmp_path, azure_address()


class TestRcloneUpkeep(CorrectedUpkeep):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, rclone):
        self.folder, self.place = tmp_path, s3_address(rclone)
