"""A run on imaginary nodes that are slow, die and lose what they say, under drivers that die: real decisions and records.

The script that is measured holds what came of it against a run that nothing disturbs, and ends with an error otherwise.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "workloads" / "imaginary_nodes.py"
STEPS = 2000


def live(tmp_path, nodes, life, seed, drivers):
    words = map(str, (STEPS, nodes, life, seed, drivers, tmp_path / "records"))
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("nodes", "life", "seed", "drivers"), [(50, 60, 1, 1), (50, 20, 2, 3), (10, 40, 3, 4), (3, 70, 4, 2)]
)
def test_each_step_is_recorded_once_and_gives_what_it_gives_where_nothing_goes_wrong(
    tmp_path, nodes, life, seed, drivers
):
    found = live(tmp_path, nodes, life, seed, drivers)
    assert found["deaths"] > 5
    assert found["repeated"] > STEPS // 100, "what failed or was lost is done again"
    assert found["repeated"] < STEPS // 2
    assert found["nodes"] >= nodes
    if nodes <= 10:
        assert found["bundles"] < found["executed"], "short steps travel together where there are few nodes"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 40))
def test_so_it_is_whatever_goes_wrong(tmp_path, seed):
    live(tmp_path, (3, 10, 50)[seed % 3], 100, seed, 1 + seed % 4)
