"""Words that a shell would obey: in parameters, in the texts of command steps and in calls, they are words and no more."""

import ast
import json
from pathlib import Path

import pipelinekit

WORDS = [
    "$(touch taken)", "`touch taken`", ";touch taken", "| touch taken", "&& touch taken", "\ntouch taken\n", "> taken",
    "'; touch taken; '", '"; touch taken; "', "--help", "-rf", "*", "~", "${HOME}", "%s%n", "{inputs.other}", "a  b", "",
]  # fmt: skip
FILE = """
    from pipelinekit import CommandStep, File, PythonScriptStep, pipeline, step

    say = CommandStep(["sh", "-c", 'printf %s "$1" > {outputs.out}', "sh", "{inputs.word}"], inputs=["word"], outputs=["out"], name="say")
    told = PythonScriptStep("told.py", ".", ["{outputs.out}", "{inputs.word}"], inputs={"word": str}, outputs=["out"])

    @step
    def whole(said: list[bytes], told: list[bytes]) -> list[str]:
        assert said == told
        return [item.decode() for item in said]

    @step
    def load(file: File) -> bytes:
        return file.read_bytes()

    @pipeline
    def main(words: list[str]):
        said, told_ = [], []
        for word in words:
            said.append(load(say(word=word).out))
            told_.append(load(told(word=word).out))
        return whole(said, told_)
"""
SCRIPT = """
    import sys
    from pathlib import Path

    Path(sys.argv[1]).write_bytes(sys.argv[2].encode())
"""


def test_words_that_a_shell_would_obey_reach_commands_and_scripts_as_they_are(project, tmp_path):
    project.write(words=FILE, told=SCRIPT)
    run = project.run("words.py", "-p", f"words={json.dumps(WORDS)}")
    assert run["status"] == "Completed"
    assert run["outputs"]["output"] == WORDS
    assert not list(tmp_path.rglob("taken"))


def test_no_shell_is_started_anywhere():
    found = []
    for file in sorted(Path(pipelinekit.__file__).parent.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not any(word in text for word in ("shell", "system(", "popen(")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                found.append(f"{file}:{node.value.lineno}")
            is_one = isinstance(node, ast.Attribute) and node.attr in (
                "system",
                "popen",
                "getoutput",
                "getstatusoutput",
            )
            if is_one and ast.unparse(node) != "self.system":  # a batch system's name
                found.append(f"{file}:{node.lineno}")
    assert found == []
