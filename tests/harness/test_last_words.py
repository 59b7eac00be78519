"""What a step wrote last is there before its result, whoever held it back."""

import pytest
from step_processes import step_process

STEPS = """
    import io, logging.handlers, sys

    def held_back_by_a_handler():
        target = logging.StreamHandler()
        logging.getLogger().addHandler(logging.handlers.MemoryHandler(1000, target=target))
        logging.getLogger().warning("last words")

    def held_back_by_a_stream():
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False), 65536))
        print("last words")

    def fails():
        held_back_by_a_stream()
        raise ValueError
"""


@pytest.mark.parametrize("function", ["held_back_by_a_handler", "held_back_by_a_stream", "fails"])
def test_what_was_held_back_is_written_before_the_result(tmp_path, function):
    with step_process(tmp_path, STEPS) as process:
        process.run(function)
        assert "last words" in "".join(process.wrote())
