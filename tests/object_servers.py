"""Servers of object stores for tests, each a process that ends with the tests."""

import datetime
import itertools
import os
import subprocess
import sys
import time
import urllib.request
import weakref
from pathlib import Path

import fsspec

from pipelinekit.domain.digests import PREFIX
from pipelinekit.domain.stores import StoreAddress
from pipelinekit.storage.object_blobs import name_of
from pipelinekit.storage.object_stores import store_at
from pipelinekit.storage.objects import ObjectStore

HERE = Path(__file__).parent
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "an-access-key-of-tests",
    "AWS_SECRET_ACCESS_KEY": "a-secret-key-of-tests",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_numbers = itertools.count()


class Moto:
    """An S3 server."""

    def __init__(self):
        os.environ.update(CREDENTIALS)
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "moto_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line.strip().isdigit(), "the S3 server did not begin"
        self.endpoint = f"http://127.0.0.1:{int(line)}"
        weakref.finalize(self, Moto._end, self.process)

    @staticmethod
    def _end(process):
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()

    def bucket(self):
        """A new, empty bucket."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{name}", method="PUT"), timeout=30).close()
        return name

    def address(self, bucket=None):
        return StoreAddress(f"s3://{bucket or self.bucket()}/some/prefix", self.endpoint, "us-east-1")

    def age(self, address, seconds):
        """Let everything in the bucket be older."""
        bucket = address.url.removeprefix("s3://").partition("/")[0]
        urllib.request.urlopen(f"{self.endpoint}/age?bucket={bucket}&seconds={seconds}", timeout=30).close()


class InMemory:
    """Objects in this process, as fsspec keeps them: what does not depend on a server is tried on it."""

    def __init__(self):
        self.objects = fsspec.filesystem("memory")

    def address(self):
        return StoreAddress(f"memory://bucket-{next(_numbers)}/some/prefix")

    def age(self, address, seconds):
        by = datetime.timedelta(seconds=seconds)
        for name, item in self.objects.store.items():
            if name.startswith("/" + address.url.removeprefix("memory://")):
                item.created -= by


def opened(address, folder, budget=0, **options):
    """A store with its copies in a folder."""
    return store_at(ObjectStore(address, **{"pause": lambda _: None, **options}), folder, budget)


def damage(blobs, digest, data=b"PRECIOUS"):
    """Change a blob's bytes in the object store, and forget the copy."""
    blobs.store.put_bytes(name_of(digest), data)
    forget(blobs, digest)


def forget(blobs, digest):
    """Remove the local copy of a blob."""
    name = digest.removeprefix(PREFIX)
    (blobs.local.folder / name[:2] / name[2:]).unlink(missing_ok=True)


def now():
    """The time of this machine."""
    return time.time()
