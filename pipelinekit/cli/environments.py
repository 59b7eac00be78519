"""`pipelinekit environments`: register, list, show, lock, build, clone, delete."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipelinekit.authoring.environments import Environment
from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.environments import Environment as Declared
from pipelinekit.domain.environments import Lock, split_label
from pipelinekit.domain.texts import counted
from pipelinekit.errors import UsageError
from pipelinekit.wire.environments import environment_document, lock_to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `environments`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    register = _verb(verbs, "register", "keep an environment under a name, as its next version")
    register.add_argument("name", metavar="NAME[:VERSION]", help="its name; with a version that number and no other")
    register.add_argument(
        "file", nargs="?", metavar="FILE", help="requirements, conda file, pyproject.toml or Dockerfile, told by name"
    )
    register.add_argument("--package", action="append", default=[], metavar="REQUIREMENT", help="one package more")
    register.add_argument("--python", default="", metavar="VERSION", help="a Python version, such as 3.12")
    register.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", help="set in the step's process"
    )
    register.add_argument("--extra", action="append", default=[], metavar="NAME", help="an extra of a pyproject.toml")
    register.add_argument(
        "--group", action="append", default=[], metavar="NAME", help="a dependency group of a pyproject.toml"
    )
    register.add_argument(
        "--skip-conda", action="store_true", help="leave out what only conda has, instead of refusing the file"
    )
    register.add_argument("--image", default="", metavar="IMAGE", help="a container image, for scripts and commands")
    listing = _verb(verbs, "list", "registered environments")
    listing.add_argument("name", nargs="?", default="", metavar="NAME", help="all versions of this one")
    listing.add_argument("--all", action="store_true", help="also those that runs used, and nobody registered")
    _label(_verb(verbs, "show", "an environment: what it is made of, and what it was resolved to"))
    lock = _verb(verbs, "lock", "resolve an environment to exact versions with hashes, once")
    _label(lock)
    lock.add_argument("-o", "--output", metavar="FILE", help="write it as a requirements file")
    lock.add_argument("--upgrade", action="store_true", help="resolve it anew; steps that use it then run again")
    _label(_verb(verbs, "build", "build an environment ahead of need, or make a damaged one again"))
    clone = _verb(verbs, "clone", "register a copy under another name")
    _label(clone)
    clone.add_argument("new", metavar="NEW", help="the name of the copy")
    delete = _verb(verbs, "delete", "take a version away; what was compiled with it keeps its lock")
    delete.add_argument("name", metavar="NAME:VERSION", help="a name with a version")


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def _label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME[:VERSION]", help="a registered environment; the newest version by default"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    services = open_services(create=arguments.verb == "register")
    action = {
        "register": _register,
        "list": _list,
        "show": _show,
        "lock": _lock,
        "build": _build,
        "clone": _clone,
        "delete": _delete,
    }[arguments.verb]
    return action(arguments, services)


def _register(arguments: argparse.Namespace, services: Services) -> int:
    name, version = split_label(arguments.name)
    before = services.environments.list(name)
    found = services.environments.register(_declared(arguments, name), version or "latest")
    if arguments.json:
        print_json({**environment_document(found), "new": found not in before})
    elif found in before:
        print(f"environment {found.label} has this content already")
    else:
        print(f"registered environment {found.label}: {_contents(found)}")
    return 0


def _declared(arguments: argparse.Namespace, name: str) -> Declared:
    """The environment that the arguments describe."""
    variables = dict(map(_variable, arguments.variable))
    options: dict[str, Any] = {"name": name, "variables": variables}
    if arguments.python:
        options["python"] = arguments.python
    _refuse_what_does_not_fit(arguments)
    if arguments.file is None:
        return Environment(packages=tuple(arguments.package), image=arguments.image, **options)
    options |= {key: value for key, value in (("extras", arguments.extra), ("groups", arguments.group)) if value}
    if arguments.skip_conda:
        options["skip_conda"] = True
    found = Environment.from_file(Path(arguments.file), **options)
    packages = (*found.packages, *arguments.package)
    return Environment(name, packages, found.variables, found.python, found.image, found.dockerfile)


def _refuse_what_does_not_fit(arguments: argparse.Namespace) -> None:
    file = Path(arguments.file or "")
    is_project = arguments.file is not None and (file.is_dir() or file.name == "pyproject.toml")
    if (arguments.extra or arguments.group) and not is_project:
        raise UsageError("--extra and --group are for a pyproject.toml", hint="give its path as FILE")
    if arguments.skip_conda and file.suffix not in (".yml", ".yaml"):
        raise UsageError("--skip-conda is for a conda file", hint="give a .yml or .yaml file as FILE")
    if arguments.file is not None and arguments.image:
        raise UsageError("an image needs no file", hint="leave FILE out, or --image")
    if arguments.python and "dockerfile" in file.name.lower():
        raise UsageError("the Python version of a Dockerfile is its own", hint="leave --python out")


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"--variable {text!r} gives no value", hint="write it as NAME=VALUE")
    return name, value


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.environments.list(arguments.name)
    if arguments.all:
        found += [item for item in services.environments.unregistered() if arguments.name in ("", item.name)]
    if arguments.name and not found:
        services.environments.get(arguments.name)  # says which there are
    if not arguments.name and not arguments.all:  # the newest of each
        found = list({item.name: item for item in reversed(found)}.values())[::-1]
    if arguments.json:
        print_json({"environments": [environment_document(item) for item in found]})
        return 0
    rows = [(item.name or "-", str(item.version or "-"), _contents(item)) for item in found]
    print(table(rows, ("environment", "version", "contents")) if rows else "no environments")
    return 0


def _contents(environment: Declared) -> str:
    """What an environment is made of, in a few words."""
    parts = []
    if environment.image:
        parts.append(f"image {environment.image}")
    if environment.dockerfile:
        parts.append("a Dockerfile")
    if environment.python:
        parts.append(f"Python {environment.python}")
    if environment.packages:
        shown = ", ".join(line.partition(" --hash=")[0] for line in environment.packages[:4])
        more = len(environment.packages) - 4
        parts.append(shown + (f" and {more} more" if more > 0 else ""))
    if environment.variables:
        parts.append(counted(len(environment.variables), "variable"))
    return "; ".join(parts) or "nothing of its own"


def _show(arguments: argparse.Namespace, services: Services) -> int:
    document = services.environments.show(arguments.name)
    if arguments.json:
        print_json(document)
        return 0
    lock = document.get("lock")
    states = {"built": "yes", "damaged": "damaged; it is made again when it is needed", "": "no"}
    rows = [
        ("environment", f"{document['name']}:{document['version']}"),
        ("digest", document["digest"]),
        *((name, document[name]) for name in ("python", "image") if name in document),
        *(("package", line) for line in document.get("packages", ())),
        *(("variable", f"{name}={value}") for name, value in sorted(document.get("variables", {}).items())),
        *(("dockerfile", line) for line in document.get("dockerfile", "").splitlines()),
        ("locked", _lock_words(lock) if lock else "not yet: when a step needs it, or with 'environments lock'"),
        *(("", line.partition(" ")[0]) for line in (lock or {}).get("requirements", ())),
        *([("built", states[document["built"]])] if "built" in document else []),
    ]
    print(table(rows))
    return 0


def _lock_words(lock: dict[str, Any]) -> str:
    if lock["base"].startswith("image:"):
        return str(lock["base"].removeprefix("image:"))
    return f"{counted(len(lock['requirements']), 'package')} for {lock['python']}"


def _lock(arguments: argparse.Namespace, services: Services) -> int:
    before = services.environments.show(arguments.name).get("lock")
    lock = services.environments.lock(arguments.name, upgrade=arguments.upgrade)
    document = lock_to_json(lock)
    if arguments.output:
        Path(arguments.output).write_text(_requirements_text(lock), encoding="utf-8")
    if arguments.json:
        print_json({"name": arguments.name, **document, "changed": before != document})
        return 0
    if before is None or before == document:
        print(f"environment {arguments.name} is locked: {_lock_words(document)}")
    else:
        print(f"environment {arguments.name} has a new lock: {_lock_words(document)}")
        print("\n".join(_changes(before["requirements"], document["requirements"])))
    if arguments.output:
        print(f"wrote {arguments.output}")
    elif lock.requirements and not arguments.upgrade:
        print("\n".join(f"  {line.partition(' ')[0]}" for line in lock.requirements))
    return 0


def _requirements_text(lock: Lock) -> str:
    """A lock as a requirements file, one hash on each line, as pip writes and reads it."""
    lines = [f"# locked for {lock.python or lock.image}"]
    lines += [line.replace(" --hash=", " \\\n    --hash=") for line in lock.requirements]
    return "\n".join(lines) + "\n"


def _changes(before: list[str], after: list[str]) -> list[str]:
    old, new = ({line.partition("==")[0]: line.partition(" ")[0] for line in lines} for lines in (before, after))
    return [
        f"  {old.get(name, 'nothing')} -> {new.get(name, 'nothing')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _build(arguments: argparse.Namespace, services: Services) -> int:
    python = services.environments.build(arguments.name)
    if arguments.json:
        print_json({"name": arguments.name, "python": python})
    else:
        print(f"environment {arguments.name} is built: {python}")
    return 0


def _clone(arguments: argparse.Namespace, services: Services) -> int:
    found = services.environments.clone(arguments.name, arguments.new)
    if arguments.json:
        print_json(environment_document(found))
    else:
        print(f"registered environment {found.label}: {_contents(found)}")
    return 0


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    name, version = split_label(arguments.name)
    if not version:
        raise UsageError(f"{arguments.name!r} does not say which version", hint=f"name it: '{name}:1'")
    services.environments.delete(name, version)
    if arguments.json:
        print_json({"name": name, "version": version, "deleted": True})
    else:
        print(f"deleted environment {name}:{version}; runs and graphs that used it keep its lock")
    return 0
