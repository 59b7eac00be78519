"""Is a sample malignant? Files of measurements and a table of diagnoses, two environments, a secret, one model."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, NamedTuple

import numpy
import pyarrow as pa
import pyarrow.csv
from features import FEATURES
from grouping import choose_features
from pipelinekit_steps.splitting import split_table
from training import POSITIVE, train

from pipelinekit import File, dataset, get_secret, pipeline, step


class Alike(NamedTuple):
    """Which features say the same, and how much each tells of the diagnosis."""

    pairs: list[list[str]]
    strength: dict[str, float]


@step
def read_cells(cells: File) -> pa.Table:
    """The measurements in one file. Raises ValueError where one is missing or below zero."""
    table = pyarrow.csv.read_csv(cells).select(["patient", *FEATURES])
    for name in FEATURES:
        if table[name].null_count or min(table[name].to_pylist()) < 0:
            raise ValueError(f"{name} is missing or below zero in a row of {cells.name}")
    return table


@step(secrets="PATIENT_KEY", register="samples")
def join_diagnoses(cells: list[pa.Table], diagnoses: pa.Table) -> pa.Table:
    """All measurements with their diagnoses; a pseudonym that needs the key stands for the patient's number."""
    joined = pa.concat_tables(cells).join(diagnoses, "patient", join_type="inner")
    joined = joined.sort_by([(name, "ascending") for name in FEATURES])  # the order of the numbers would tell of them
    key = get_secret("PATIENT_KEY").encode()
    names = [hmac.digest(key, number.encode(), hashlib.sha256).hex()[:12] for number in joined["patient"].to_pylist()]
    return joined.set_column(0, "patient", pa.array(names))


@step
def compare_features(rows: pa.Table, alike_above: float) -> Alike:
    """Pairs of features whose correlation is high, and how well each alone goes with the diagnosis."""
    columns = [rows[name].to_numpy() for name in FEATURES]
    target = numpy.array([diagnosis == POSITIVE for diagnosis in rows["diagnosis"].to_pylist()])
    table = numpy.abs(numpy.corrcoef([*columns, target]))
    places = range(len(FEATURES))
    pairs = [[FEATURES[a], FEATURES[b]] for a in places for b in places if a < b and table[a, b] > alike_above]
    return Alike(pairs, {name: round(float(table[place, -1]), 6) for place, name in enumerate(FEATURES)})


@pipeline
def biopsies(
    diagnoses: pa.Table = dataset("diagnoses"),
    learning_rate: float = 0.1,
    rounds: int = 60,
    folds: int = 4,
    alike_above: float = 0.9,
    seed: int = 7,
) -> Any:
    """Tell from the cells of a sample whether it is malignant."""
    cells = read_cells.map(dataset("cells").files)
    samples = join_diagnoses(cells, diagnoses)
    parts = split_table(samples, test_share=0.25, seed=seed, stratify="diagnosis")
    alike = compare_features(parts.train, alike_above)
    features = choose_features(alike.pairs, alike.strength)
    trained = train(parts.train, parts.test, features, learning_rate, rounds, folds)
    return {"model": trained.model, "metrics": trained.metrics, "features": features}
