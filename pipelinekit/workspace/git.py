"""What git knows of a source folder, read from its files: repository, branch, commit. No process is started.

Nothing of it enters a key. Where there is no repository, or one that cannot be read, there is nothing to tell.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

LONGEST = 1_000_000  # bytes of a file of git that are read
VARIABLES = {  # what a build machine knows better, as where it checks out a commit without its branch
    "repository": "PIPELINEKIT_GIT_REPOSITORY",
    "branch": "PIPELINEKIT_GIT_BRANCH",
    "commit": "PIPELINEKIT_GIT_COMMIT",
    "build": "PIPELINEKIT_BUILD_ID",
    "build_url": "PIPELINEKIT_BUILD_URL",
}


def git_facts(folder: Path, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Repository URL without credentials, branch and commit of the work tree that a folder lies in; as far as known.

    A build machine tells number and address of its build too.
    """
    facts: dict[str, str] = {}
    try:
        place = find_repository(folder)
        if place is not None:
            facts = _read(*place)
    except (OSError, ValueError):
        pass
    for name, variable in VARIABLES.items():
        if variables.get(variable):
            facts[name] = variables[variable]
    for name in ("repository", "build_url"):
        if name in facts:
            facts[name] = without_credentials(facts[name])
    return {name: fact for name, fact in facts.items() if fact}


def find_repository(folder: Path) -> tuple[Path, Path] | None:
    """The folder that git keeps a work tree's state in, and the one that is shared by all its work trees."""
    path = os.path.realpath(folder)
    while (own := _state_folder(path)) is None:
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
    common = own / "commondir"
    return own, (own / _text(common).strip() if common.is_file() else own)


def _state_folder(path: str) -> Path | None:
    """Where git keeps the state of a work tree; None where the folder is no root of one."""
    found = os.path.join(path, ".git")
    if os.path.isfile(os.path.join(found, "HEAD")):
        return Path(found)
    if os.path.isfile(found):  # a work tree beside, or a submodule
        text = _text(Path(found))
        if text.startswith("gitdir:"):
            return Path(path, text.partition(":")[2].strip())
    return None


def without_credentials(url: str) -> str:
    """A URL without user and password, and without what may hold a token."""
    if "://" not in url:  # user@host:path, as ssh writes it, holds no password
        return url
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, _, host = host.rpartition("@")
    kept = "git@" if scheme == "ssh" and user == "git" else ""
    return f"{scheme}://{kept}{host}{slash}{path.partition('?')[0].partition('#')[0]}"


def _read(own: Path, common: Path) -> dict[str, str]:
    head = _text(own / "HEAD").strip()
    branch = commit = ""
    if head.startswith("ref:"):
        ref = head.partition(":")[2].strip()
        branch = ref.removeprefix("refs/heads/")
        commit = _resolve(ref, own, common)
    elif _is_commit(head):
        commit = head
    config = common / "config"
    return {
        "repository": _remote(_text(config), branch) if config.is_file() else "",
        "branch": branch,
        "commit": commit,
    }


def _resolve(ref: str, own: Path, common: Path) -> str:
    """The commit of a branch; empty before its first one."""
    if ".." in ref or ref.startswith("/"):
        return ""
    for place in (own, common):
        if (place / ref).is_file():
            found = _text(place / ref).strip()
            return found if _is_commit(found) else ""
    packed = common / "packed-refs"
    if packed.is_file():
        for line in _text(packed, 10 * LONGEST).splitlines():
            commit, _, name = line.partition(" ")
            if name == ref and _is_commit(commit):
                return commit
    return ""


def _is_commit(text: str) -> bool:
    return len(text) in (40, 64) and all(letter in "0123456789abcdef" for letter in text)


def _remote(config: str, branch: str) -> str:
    """The URL of the branch's remote, of `origin`, or of the first remote."""
    remotes: dict[str, str] = {}
    follows = ""
    section = name = ""
    for line in config.splitlines():
        text = line.strip()
        if text.startswith("["):
            section, _, rest = text.strip("[]").partition(" ")
            name = rest.strip().strip('"')
            continue
        key, _, value = (part.strip() for part in text.partition("="))
        if section == "remote" and key == "url":
            remotes.setdefault(name, value.strip('"'))
        elif section == "branch" and name == branch and key == "remote":
            follows = value
    return remotes.get(follows) or remotes.get("origin") or next(iter(remotes.values()), "")


def _text(path: Path, longest: int = LONGEST) -> str:
    with path.open("rb") as stream:
        return stream.read(longest).decode("utf-8", "replace")
