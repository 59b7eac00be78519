"""Files of a snapshot that look like secrets: told by their names, and some by what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipelinekit.errors import Fault

NAMES = {
    ".env": "environment variables",
    ".netrc": "passwords",
    "_netrc": "passwords",
    ".pgpass": "passwords",
    ".my.cnf": "passwords",
    ".pypirc": "passwords",
    ".git-credentials": "passwords",
    ".htpasswd": "passwords",
    ".dockercfg": "passwords",
    "id_rsa": "a private key",
    "id_dsa": "a private key",
    "id_ecdsa": "a private key",
    "id_ed25519": "a private key",
    "application_default_credentials.json": "cloud credentials",
    "accessTokens.json": "cloud credentials",
    "azureProfile.json": "cloud credentials",
    "kubeconfig": "cloud credentials",
    "secrets.yml": "secrets",
    "secrets.yaml": "secrets",
    "secrets.toml": "secrets",
    "secrets.json": "secrets",
}
ENDS = {
    ".p12": "a private key",
    ".pfx": "a private key",
    ".jks": "a private key",
    ".keystore": "a private key",
    ".kdbx": "passwords",
    ".publishsettings": "cloud credentials",
}
PLACES = {
    ".aws/credentials": "cloud credentials",
    ".azure/credentials": "cloud credentials",
    ".kube/config": "cloud credentials",
    ".docker/config.json": "passwords",
    ".streamlit/secrets.toml": "secrets",
}
HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist")  # what is there to be copied
_READ = (".pem", ".key")  # by name alone they may be anything
_ACCOUNTS = ("credential", "service-account", "service_account", "serviceaccount", "client_secret", "keyfile")
_PRIVATE = (b"PRIVATE KEY-----", b"PuTTY-User-Key-File")
_ACCOUNT = (b'"private_key"', b'"client_secret"')
LONGEST_READ = 64 * 1024

Read = Callable[[str], bytes]


def exposures(paths: Iterable[str], read: Read, sizes: Callable[[str], int]) -> dict[str, str]:
    """The paths that look like secrets, each with what it seems to hold. `read` gives the bytes of one."""
    found: dict[str, str] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        if name in NAMES:
            found[path] = NAMES[name]
        elif name.startswith(".env."):
            if name not in HARMLESS:
                found[path] = NAMES[".env"]
        elif name.endswith(_READ) or (name.endswith(".json") and any(word in name.lower() for word in _ACCOUNTS)):
            if sizes(path) <= LONGEST_READ and (what := _content(name, read(path))):
                found[path] = what
        else:
            kind = name[name.rfind(".") :] if "." in name else ""
            if kind in ENDS:
                found[path] = ENDS[kind]
        if path not in found:
            for place, what in PLACES.items():
                if path == place or path.endswith("/" + place):
                    found[path] = what
    return found


def _content(name: str, data: bytes) -> str:
    if any(sign in data for sign in _PRIVATE):
        return "a private key"
    return "cloud credentials" if name.endswith(".json") and any(sign in data for sign in _ACCOUNT) else ""


def exposure_warnings(found: dict[str, str]) -> list[Fault]:
    """A warning for each of them."""
    return [
        Fault(
            f"it looks like a secret ({what}), and every run keeps it in its snapshot, readable in the workspace",
            path,
            hint="name it in the .amlignore of its source folder, and keep it with 'pipelinekit secrets set'",
        )
        for path, what in sorted(found.items())
    ]
