"""The proof on histories, on a history of three versions that is made here."""

import histories

VERSIONS = {
    "1": "RATE = 2\n\ndef twice(n):\n    return n * RATE\n\ndef other(n):\n    return n + 1\n",
    "2": "RATE = 2\n\ndef twice(n):\n    return RATE * n\n\ndef other(n):\n    # a comment\n    return n + 1\n",
    "3": "RATE = 3\n\ndef twice(n):\n    return RATE * n\n\ndef more(n):\n    return n\n",
}
PROJECT = histories.Project("made", "made", tuple(VERSIONS), {"twice": "made.twice(4)", "other": "made.other(4)"})


def test_a_history_is_counted(tmp_path):
    trees = {}
    for version, text in VERSIONS.items():
        trees[version] = tmp_path / version
        trees[version].mkdir()
        (trees[version] / "made.py").write_text(text)
    folder = tmp_path / "source"
    folder.mkdir()
    tally = histories.follow(PROJECT, trees, folder)
    assert (tally.versions, tally.steps, tally.failed, tally.stale) == (3, 6, 1, 0)
    assert (tally.executed, tally.reused) == (4, 1)  # both at first, `twice` at each change of its own
    assert (tally.in_vain, tally.uncalled) == (1, 0)  # 4 * 2 and 2 * 4 are equal
    assert (tally.by_files, tally.stale_by_function) == (6, 1)
    assert "made: 3 versions, 6 runs of steps, 1 lack the function" in histories.words_of(tally)
