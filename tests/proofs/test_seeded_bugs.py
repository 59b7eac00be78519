"""Each bug that is seeded to try the tests fits the package as it is."""

import pytest
import seeded_bugs


@pytest.mark.parametrize("bug", seeded_bugs.BUGS, ids=lambda bug: bug.name)
def test_its_text_is_there_once_and_it_changes_it_to_what_can_be_read(bug):
    text = (seeded_bugs.ROOT / "pipelinekit" / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    if bug.file.endswith(".py"):
        compile(text.replace(bug.old, bug.new), bug.file, "exec")


def test_every_bug_has_a_name_of_its_own():
    assert len({bug.name for bug in seeded_bugs.BUGS}) == len(seeded_bugs.BUGS)
