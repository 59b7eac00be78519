"""Environments from lists and from the files that projects have: what is taken, and every fault at once."""

import pickle

import pytest

from pipelinekit import Environment, step
from pipelinekit.domain import environments as domain
from pipelinekit.errors import CompileError, NotFoundError, UsageError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def faults(error):
    return [fault.message for fault in error.value.faults]


def test_a_list_of_packages_is_as_good_as_a_tuple():
    assert Environment("e", ["b", "a>=1"]) == Environment("e", ("b", "a>=1"))
    assert Environment("e", ["b", "a"]).identity() == Environment("other", ["a", "b", "a"], version=3).identity()


def test_what_the_workspace_gives_back_is_equal_and_may_be_used_on_a_step():
    mine = Environment("e", ["a"], {"X": "1"}, "3.12")
    theirs = domain.Environment("e", ("a",), {"X": "1"}, "3.12")
    assert mine == theirs
    assert theirs == mine
    assert mine != domain.registered(theirs, 1)
    assert pickle.loads(pickle.dumps(mine)) == mine
    for index in range(60):  # classes of values are compiled after some instances
        assert isinstance(Environment(f"e{index}", ["a"]), Environment)

    @step(environment=theirs)
    def work() -> int:
        return 1

    assert work.settings.environment == mine


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"packages": "pandas"}, "the packages of environment 'e' are a text"),
        ({"packages": ["--index-url=http://evil", "pandas"]}, "'--index-url=http://evil' cannot be among its packages"),
        ({"packages": ["pandas --no-binary :all:"]}, "cannot be among its packages"),
        ({"packages": ["./here"]}, "cannot be among its packages"),
        ({"packages": ["not a requirement"]}, "cannot be among its packages"),
        ({"packages": ["networkx=>3"]}, "cannot be among its packages"),
        ({"packages": ["a==1 --hash=sha256:00", "b>=2"]}, "some of its packages have hashes"),
        ({"python": "latest"}, "python='latest' is no version"),
        ({"python": "3.8"}, "steps do not run on Python 3.8"),
        ({"image": "x", "dockerfile": "FROM x"}, "it has an image and a Dockerfile"),
        ({"image": "x", "python": "3.12"}, "a container image cannot be combined with packages or python"),
        ({"image": "-v"}, "image='-v' names no image"),
        ({"image": "x", "packages": ["a"], "python": "2"}, "is no version.*cannot be combined"),
    ],
)
def test_what_cannot_be_an_environment_is_refused(options, words):
    with pytest.raises(UsageError, match=words) as error:
        Environment("e", **options)
    assert error.value.hint


@pytest.mark.parametrize("given", ["bad name!", "training:0", "training:new", ":3"])
def test_a_name_that_cannot_be_registered_is_refused_where_the_step_is_written(given):
    with pytest.raises(UsageError):
        step(environment=given)


def test_anything_else_is_no_environment():
    with pytest.raises(UsageError, match="42 is no environment"):
        step(environment=42)


def test_requirements_files_are_followed(write):
    write("base.txt", "numpy >= 2 ; python_version >= '3.11'\n\n# nothing\n")
    path = write("requirements.txt", "-r base.txt\npandas[parquet]>=2,<3  # tables\nscipy \\\n  ==1.0\n")
    made = Environment.from_requirements(path, python="3.12", variables={"A": 1})
    assert made.name == "requirements"
    assert made.packages == ("numpy >= 2 ; python_version >= '3.11'", "pandas[parquet]>=2,<3", "scipy ==1.0")
    assert (made.python, made.variables) == ("3.12", {"A": "1"})
    assert not domain.is_locked(made.packages)


def test_a_locked_file_keeps_its_hashes(write):
    path = write(
        "lock.txt", "# made by uv\na==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nb==2 --hash=sha256:cc\n"
    )
    made = Environment.from_requirements(path, name="locked")
    assert made.packages == ("a==1.0 --hash=sha256:aa --hash=sha256:bb", "b==2 --hash=sha256:cc")
    assert domain.is_locked(made.packages)


def test_every_line_that_cannot_be_used_is_told(write):
    path = write("r.txt", "a\n-e .\n--index-url https://x\n./local\nb\n-c bounds.txt\n")
    with pytest.raises(CompileError) as error:
        Environment.from_requirements(path)
    assert [(fault.line, fault.message) for fault in error.value.faults] == [
        (2, "-e cannot be part of an environment"),
        (3, "--index-url cannot be part of an environment"),
        (4, "./local is a package of this machine"),
        (6, "-c cannot be part of an environment"),
    ]
    assert all(fault.hint for fault in error.value.faults)


def test_files_that_name_one_another_in_a_circle_end(write):
    path = write("a.txt", "-r a.txt\n")
    with pytest.raises(CompileError, match="in a circle"):
        Environment.from_requirements(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for make in (Environment.from_requirements, Environment.from_conda, Environment.from_pyproject):
        with pytest.raises(NotFoundError, match=r"nowhere\.x"):
            make(tmp_path / "nowhere.x")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is not text in UTF-8"):
        Environment.from_requirements(tmp_path / "r.txt")


CONDA = """
name: training
channels: [conda-forge]
dependencies:
  - python=3.12
  - pip
  - pip=24
  - pip:
    - pandas>=2
    - numpy
variables:
  MODE: fast
"""


def test_the_pip_part_of_a_conda_file(write):
    made = Environment.from_conda(write("env.yml", CONDA))
    assert made == Environment("training", ["pandas>=2", "numpy"], {"MODE": "fast"}, "3.12")


def test_packages_of_conda_itself_are_faults_unless_they_are_left_out(write):
    path = write("env.yml", CONDA.replace("  - pip\n", "  - pip\n  - cudatoolkit=11\n  - mkl\n"))
    with pytest.raises(CompileError) as error:
        Environment.from_conda(path)
    assert faults(error) == [
        "cudatoolkit=11 is a package of conda, which is not used here",
        "mkl is a package of conda, which is not used here",
    ]
    assert Environment.from_conda(path, skip_conda=True).packages == ("pandas>=2", "numpy")


def test_a_conda_file_that_is_none_is_refused(write):
    with pytest.raises(CompileError, match=r"env\.yml is no YAML"):
        Environment.from_conda(write("env.yml", "a: [\n"))
    with pytest.raises(UsageError, match="is no conda file"):
        Environment.from_conda(write("env.yml", "- a\n"))
    with pytest.raises(CompileError, match="package of conda"):
        Environment.from_conda(write("env.yml", "dependencies:\n  - 3\n  - '=='\n"))


PROJECT = """
[project]
name = "my-model"
dependencies = ["pandas>=2"]
[project.optional-dependencies]
plots = ["matplotlib"]
all = ["my-model[plots]", "scikit-learn"]
[dependency-groups]
test = ["pytest", {include-group = "Lint"}]
lint = ["ruff"]
"""


def test_a_project_with_extras_and_groups(write):
    path = write("pyproject.toml", PROJECT)
    assert Environment.from_pyproject(path.parent) == Environment("my-model", ["pandas>=2"])
    made = Environment.from_pyproject(path, extras="all", groups=["test"])
    assert made.packages == ("pandas>=2", "matplotlib", "scikit-learn", "pytest", "ruff")


def test_faults_of_a_project_are_told_at_once(write):
    path = write("pyproject.toml", '[project]\nname = "m"\ndynamic = ["dependencies"]\n')
    with pytest.raises(CompileError) as error:
        Environment.from_pyproject(path, extras=["no"], groups=["neither"])
    assert faults(error) == [
        "the dependencies of the project are dynamic: only its build knows them",
        "there is no extra 'no'",
        "there is no dependency group 'neither'",
    ]
    path = write("pyproject.toml", '[dependency-groups]\na = [{include-group = "a"}]\n')
    with pytest.raises(CompileError, match="dependency group 'a' includes itself"):
        Environment.from_pyproject(path, groups="a")
    with pytest.raises(UsageError, match="is no TOML"):
        Environment.from_pyproject(write("pyproject.toml", "["))


def test_a_file_is_told_by_its_name(write):
    assert Environment.from_file(write("env.yaml", CONDA)).name == "training"
    assert Environment.from_file(write("pyproject.toml", PROJECT)).name == "my-model"
    assert Environment.from_file(write("Dockerfile", "FROM x\n"), name="d").dockerfile == "FROM x\n"
    assert Environment.from_file(write("r.in", "a\n")).packages == ("a",)
