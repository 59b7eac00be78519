"""Blobs stored and fetched, and the same files copied by plain fsspec; the two take turns, round by round."""

import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import fsspec
import object_server

from pipelinekit.domain.digests import digest_stream
from pipelinekit.domain.stores import StoreAddress
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.object_stores import store_at
from pipelinekit.storage.objects import ObjectStore

MEGABYTE = 2**20
KINDS = {"large": (1, 64 * MEGABYTE), "small": (200, 4_096), "few small": (40, 4_096)}
BUCKET = "bucket"
TICKS = os.sysconf("SC_CLK_TCK")


class Taken:
    """Seconds by what was done, of each round: on the wall, of CPU time with that of a server, and of our own."""

    def __init__(self, server):
        self.wall, self.cpu, self.own = {}, {}, {}
        self._server = server

    @contextmanager
    def measured(self, name):
        wall, cpu, own = time.perf_counter(), self._cpu(), time.process_time()
        yield
        self.own.setdefault(name, []).append(time.process_time() - own)
        self.wall.setdefault(name, []).append(time.perf_counter() - wall)
        self.cpu.setdefault(name, []).append(self._cpu() - cpu)

    def _cpu(self):
        own = time.process_time()
        if not self._server:
            return own
        fields = Path(f"/proc/{self._server}/stat").read_text().rpartition(")")[2].split()
        return own + (int(fields[11]) + int(fields[12])) / TICKS

    def take_turns(self, number, actions):
        """Do each of these, in another order each time."""
        names = list(actions)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with self.measured(name):
                actions[name]()


def make_files(folder, count, size):
    """Files with content of their own; their places by digest."""
    folder.mkdir(parents=True)
    made = {}
    block = os.urandom(min(size, MEGABYTE))
    for number in range(count):
        path = folder / f"{number:05}"
        with path.open("wb") as stream:
            stream.write(os.urandom(16))
            for _ in range(size // len(block)):
                stream.write(block)
        with path.open("rb") as stream:
            made[digest_stream(stream)[0]] = path
    return made


def sync(path):
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


class InFolder:
    """A local folder. Plain copies are made twice: as fsspec makes them, and such that they survive a power cut."""

    def __init__(self, folder, *_):
        self._folder = folder
        self._plain = fsspec.filesystem("file")

    def measure(self, taken, number, name, files):
        place = self._folder / f"store-{name}"
        copies, synced, linked, fetched = (
            self._folder / f"{kind}-{name}" for kind in ("copies", "synced", "linked", "fetched")
        )
        for folder in (copies, synced, linked, fetched):
            folder.mkdir()

        def write():
            FolderBlobs(place).put_files(list(files.values()))

        def write_plain():
            for path in files.values():
                self._plain.put_file(str(path), str(copies / path.name))

        def write_synced():
            for path in files.values():
                self._plain.put_file(str(path), str(synced / path.name))
                sync(synced / path.name)
            sync(synced)

        def read():
            blobs = FolderBlobs(place)  # which has verified nothing yet
            for digest, path in files.items():
                os.link(blobs.path(digest), linked / path.name)  # as a step is given its inputs

        def read_plain():
            for path in files.values():
                self._plain.get_file(str(copies / path.name), str(fetched / path.name))

        taken.take_turns(number, {"write": write, "plain write": write_plain, "synced write": write_synced})
        taken.take_turns(number, {"read": read, "plain read": read_plain})


class OnServer:
    """An S3 server of this machine."""

    def __init__(self, folder, endpoint):
        self._folder = folder
        self._endpoint = endpoint
        object_server.make_bucket(endpoint, BUCKET)
        self._plain = fsspec.filesystem(
            "s3", endpoint_url=endpoint, use_listings_cache=False, client_kwargs={"region_name": "us-east-1"}
        )

    def _blobs(self, name, copies):
        address = StoreAddress(f"s3://{BUCKET}/store-{name}", self._endpoint, "us-east-1")
        blobs = store_at(ObjectStore(address), self._folder / f"{copies}-{name}").blobs
        blobs.missing(["xxh3:" + "0" * 32])  # the connection is there before it counts
        return blobs

    def measure(self, taken, number, name, files):
        own, other = self._blobs(name, "own"), self._blobs(name, "other")
        fetched = self._folder / f"fetched-{name}"
        fetched.mkdir()
        places = [str(path) for path in files.values()]
        names = [f"{BUCKET}/plain-{name}/{path.name}" for path in files.values()]
        targets = [str(fetched / path.name) for path in files.values()]
        self._plain.exists(f"{BUCKET}/none")
        writes = {"write": lambda: own.take_files(files), "plain write": lambda: self._plain.put(places, names)}
        taken.take_turns(number, writes)
        taken.take_turns(
            number, {"read": lambda: other.bring(files), "plain read": lambda: self._plain.get(names, targets)}
        )


def main(where, rounds, folder):
    found = {}
    with object_server.serving() if where == "s3" else nullcontext(("", 0)) as (endpoint, server):
        side = {"s3": OnServer, "folder": InFolder}[where](folder, endpoint)
        for kind, (count, size) in KINDS.items():
            taken = Taken(server)
            for number in range(rounds):
                name = f"{kind}-{number}".replace(" ", "-")
                side.measure(taken, number, name, make_files(folder / name, count, size))
            for name in taken.wall:
                ours = name.rpartition(" ")[2]
                for quantity, seconds in (("wall", taken.wall), ("cpu", taken.cpu), ("own cpu", taken.own)):
                    if name != ours:
                        pairs = zip(seconds[ours], seconds[name], strict=True)
                        ratio = statistics.median(a / b for a, b in pairs)
                        found[f"{kind}, {ours} / {name}, {quantity}"] = round(ratio, 3)
                seconds = statistics.median(taken.wall[name])
                found[f"{kind}, {name}, MB/s"] = round(count * size / 1e6 / seconds, 2)
                found[f"{kind}, {name}, ms of CPU for a blob"] = round(
                    statistics.median(taken.cpu[name]) / count * 1e3, 3
                )
    print(json.dumps(found))


with tempfile.TemporaryDirectory(dir=sys.argv[3]) as place:  # a quick one is measured more than once
    main(sys.argv[1], int(sys.argv[2]), Path(place))
