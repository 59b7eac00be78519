"""Words that are read without argparse say what argparse would read in them."""

import importlib
import io
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.cli.main import COMMANDS, _parser
from pipelinekit.cli.words import read_words

WORDS = [
    "fan.py", "x=1", "", "-", "--", "-5", "0.5", "a b", "-p", "-px=1", "-p=x", "--parameter", "--parameter=a=b", "--json",
    "--json=1", "--jso", "--in-process", "--experiment", "--experiment=", "--experiment=e", "--verify", "--verify=0.5",
    "--verify=much", "--tag", "--tag=a=b", "--regenerate", "--regenerate=*", "--check", "--max-duration=90s", "--help",
    "--name", "--compute=local", "--continue-on-step-failure", "-o", "--output", "--unknown", "-h", "@file", "--p x",
]  # fmt: skip


def by_argparse(module, command, words):
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        try:
            found = vars(_parser(module, command).parse_args(words))
        except SystemExit:
            return None
    return {name: value for name, value in found.items() if name not in ("workspace", "debug", "server")}


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=40)
@given(words=st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_is_evident_is_what_argparse_reads(command, words):
    module = importlib.import_module(f"pipelinekit.cli.{COMMANDS[command][0]}")
    found = read_words(module.add_arguments, words)
    if found is not None:
        assert vars(found) == by_argparse(module, command, words)


@pytest.mark.parametrize(
    "words",
    [
        ["fan.py"],
        ["fan.py:main", "--json"],
        ["-p", "a=1", "fan.py", "--parameter=b=2", "--parameter", "c="],
        ["--verify", "0.5", "--tag=a", "--tag", "b=c", "--in-process", "fan.py", "--experiment=e"],
    ],
)
def test_what_is_said_most_is_evident(words):
    module = importlib.import_module("pipelinekit.cli.run")
    found = read_words(module.add_arguments, words)
    assert found is not None
    assert vars(found) == by_argparse(module, "run", words)


@pytest.mark.parametrize(
    "words", [[], ["a", "b"], ["a", "--help"], ["a", "--verify=x"], ["a", "-p"], ["a", "--regenerate"]]
)
def test_what_is_not_evident_is_left_to_argparse(words):
    assert read_words(importlib.import_module("pipelinekit.cli.run").add_arguments, words) is None
