"""The same bytes as in `data`, made, written, hashed and read by hand, in one process and with no store."""

import os
import shutil
import sys
from pathlib import Path

import numpy
import pyarrow
import xxhash

MEGABYTE = 1_000_000
CHUNK = 256 * 1024
kind, state = sys.argv[1], Path(sys.argv[2])


def hashed(path):
    state = xxhash.xxh3_128()
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            state.update(buffer[:count])
    return state.hexdigest()


def sync(path):
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def table():
    path = state / "table.arrow"
    rows = 500 * MEGABYTE // 40
    made = pyarrow.table({f"c{i}": numpy.arange(rows, dtype="f8") + i for i in range(5)})
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, made.schema) as writer:
        writer.write_table(made)
    sync(path)
    hashed(path)
    del made
    return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all().num_rows


def array():
    path = state / "array.npy"
    numpy.save(path, numpy.arange(2000 * MEGABYTE // 8, dtype="f8"))
    sync(path)
    hashed(path)
    return float(numpy.load(path, mmap_mode="r")[::4096].sum())


def folder():
    made, copied = state / "made", state / "copied"
    for place in (made, copied):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    for i in range(1000):
        (made / f"{i:04}.bin").write_bytes(i.to_bytes(8, "big") * (MEGABYTE // 8))
    for i in range(1000):
        target = copied / f"{i:04}.bin"
        shutil.copyfile(made / f"{i:04}.bin", target)
        sync(target)
        hashed(target)
    return len(os.listdir(copied))


print({"table": table, "array": array, "folder": folder}[kind]())
