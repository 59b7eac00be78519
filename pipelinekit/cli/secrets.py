"""`pipelinekit secrets`: set, list, delete, rotate-key. Values come from a prompt or standard input; none is shown."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import asdict
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.secrets import check_secret_name
from pipelinekit.domain.texts import counted
from pipelinekit.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `secrets`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    setting = _verb(verbs, "set", "keep a value, asked for without echo, or from standard input when it is no terminal")
    setting.add_argument("name", metavar="NAME")
    setting.add_argument("value", nargs="?", help=argparse.SUPPRESS)  # stands for one that was given; see `rewrite`
    _verb(verbs, "list", "names, versions, when each was set and by whom")
    _verb(verbs, "delete", "drop secrets").add_argument("names", metavar="NAME", nargs="+")
    _verb(verbs, "rotate-key", "encrypt all secrets with a new key; values and versions stay as they are")


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def rewrite(words: list[str]) -> list[str]:
    """Words without a value that stands among them: it is refused, and must not be repeated on the terminal."""
    if words[:1] != ["set"]:
        return words
    options = [word for word in words[1:] if word in ("--json", "-h", "--help")]
    name, *values = [word for word in words[1:] if word not in options] or [""]
    bare, equals, _ = name.partition("=")
    return ["set", *options, *([bare] if name else []), *(["value"] if values or equals else [])]


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    action = {"set": _set, "list": _list, "delete": _delete, "rotate-key": _rotate_key}[arguments.verb]
    return action(arguments, open_services(create=arguments.verb == "set"))


def _set(arguments: argparse.Namespace, services: Services) -> int:
    name = check_secret_name(arguments.name)
    if arguments.value:
        raise UsageError(
            "the value of a secret is never taken from the command line, where others can read it",
            hint=f"'pipelinekit secrets set {name}' asks for it; take another value, for this one has been seen",
        )
    kept = services.secrets.set(name, _asked(name) if sys.stdin.isatty() else _piped(name))
    if arguments.json:
        print_json(asdict(kept))
    else:
        print(f"secret {name!r} is set, as version {kept.version}")
    return 0


def _asked(name: str) -> str:
    """The value, typed twice: nobody can look at it later."""
    try:
        value = getpass.getpass(f"value of {name}: ")
        again = getpass.getpass("the same again: ")
    except EOFError:
        raise UsageError(f"no value was given for secret {name!r}") from None
    if value != again:
        raise UsageError("the two values are not the same", hint="nothing was changed; try again")
    return value


def _piped(name: str) -> str:
    """The value from standard input, without the line break at its end."""
    try:
        value = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the value of secret {name!r} is no UTF-8 text", hint="encode it, as base64") from None
    return value.removesuffix("\n").removesuffix("\r")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.secrets.list()
    if arguments.json:
        print_json({"secrets": [asdict(secret) for secret in found]})
        return 0
    rows = [
        (secret.name, str(secret.version), time_text(secret.updated_at), secret.updated_by or "-") for secret in found
    ]
    print(table(rows, ("secret", "version", "set", "by")) if rows else "no secrets")
    return 0


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    services.secrets.delete(*arguments.names)
    if arguments.json:
        print_json({"deleted": arguments.names})
    else:
        print("\n".join(f"secret {name!r} is deleted" for name in arguments.names))
    return 0


def _rotate_key(arguments: argparse.Namespace, services: Services) -> int:
    count, older = services.secrets.rotate_key()
    if arguments.json:
        print_json({"secrets": count, "older_keys": older})
        return 0
    print(f"{counted(count, 'secret')} encrypted with a new key")
    if older:
        print(f"{counted(older, 'older key')} left in the file that 'secrets_key' names: other workspaces may use it")
    return 0
