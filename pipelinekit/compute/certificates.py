"""Certificates of a cluster of our own: an authority that exists for this cluster alone, and one certificate of it.

Scheduler, workers and drivers show it to each other. Its key lies in the workspace folder, for the owner only.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.domain.computes import CREDENTIALS
from pipelinekit.errors import ComputeError
from pipelinekit.late import late

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509 import oid
else:
    x509 = late("cryptography.x509")
    oid = late("cryptography.x509.oid")
    hashes = late("cryptography.hazmat.primitives.hashes")
    serialization = late("cryptography.hazmat.primitives.serialization")
    ec = late("cryptography.hazmat.primitives.asymmetric.ec")

DAYS = 3650  # the authority is used for this cluster and nothing else


def certificates_in(folder: Path) -> Mapping[str, str]:
    """The PEM texts of a cluster's `ca`, `cert` and `key`, from a folder. Raises ComputeError without them."""
    try:
        return {name: (folder / f"{name}.pem").read_text(encoding="ascii") for name in CREDENTIALS}
    except OSError as error:
        raise ComputeError(
            f"the certificates of the cluster cannot be read: {error}", hint="it was started on another machine"
        ) from error


def make_certificates(folder: Path) -> Mapping[str, str]:
    """The same; they are made where there are none. Raises ComputeError without the library that makes them."""
    if not (folder / "key.pem").exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in zip(CREDENTIALS, _new(folder.name), strict=True):  # the key comes last
            staged = folder / f".{name}.{os.getpid()}"
            handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(text)
            os.replace(staged, folder / f"{name}.pem")
    return certificates_in(folder)


def _new(name: str) -> tuple[str, str, str]:
    try:
        authority, member = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    except ImportError as error:
        raise ComputeError(
            "a cluster needs certificates, and the library that makes them is not installed",
            hint="pip install 'pipelinekit[clusters]'",
        ) from error
    issuer, subject = (_named(f"pipelinekit {kind} of {name}") for kind in ("authority", "member"))
    ca = _certificate(issuer, issuer, authority.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificates = (
        item.sign(authority, hashes.SHA256()) for item in (ca, _certificate(issuer, subject, member.public_key()))
    )
    key = member.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    first, second = (item.public_bytes(serialization.Encoding.PEM).decode() for item in certificates)
    return first, second, key.decode()


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, text[:64])])


def _certificate(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )
