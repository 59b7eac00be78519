"""Keys: the identity of one execution of a step, and the document that says what it is made of.

The key is the digest of the key document: schema, definition, and the content digest of every input by port. Not in it,
each because it cannot change the outputs: the step's name and labels, its compute target, retries, timeout, resources,
the experiment, the user, the time, the place on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.digests import DIGEST_LENGTH, digest, digest_bytes, encode
from pipelinekit.domain.graphs import Definition

KEY_SCHEMA = 1


def key_document(
    definition: str, inputs: Mapping[str, str], observed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The document behind a key: a definition's digest, and the content digest of each bound port.

    `observed` are digests of files that an execution opened without their being declared.
    """
    document = {"schema": KEY_SCHEMA, "definition": definition, "inputs": dict(inputs)}
    return {**document, "observed": dict(observed)} if observed else document


def observed_key(definition: str, inputs: Mapping[str, str], observed: Mapping[str, str]) -> str:
    """The key of an execution that opened undeclared files."""
    return digest(key_document(definition, inputs, observed))


class Fingerprint:
    """Keys of one definition.

    Digests have one length, so the canonical encoding of a key document is always the same bytes with the digests put
    in. It is taken apart once for each set of bound ports; a key then costs one join and one hash.
    """

    def __init__(self, definition: Definition) -> None:
        self.digest = definition.digest()
        self._templates: dict[tuple[str, ...], tuple[list[tuple[bytes, str]], bytes]] = {}

    def key(self, inputs: Mapping[str, str]) -> str:
        """The key for these input digests by port: the digest of `key_document(self.digest, inputs)`."""
        ports = tuple(inputs)
        pieces, tail = self._templates.get(ports) or self._template(ports)
        parts: list[bytes] = []
        for frame, port in pieces:
            parts.append(frame)
            parts.append(inputs[port].encode())
        parts.append(tail)
        return digest_bytes(b"".join(parts))

    def _template(self, ports: tuple[str, ...]) -> tuple[list[tuple[bytes, str]], bytes]:
        stand_ins = {port: str(position).zfill(DIGEST_LENGTH) for position, port in enumerate(ports)}
        encoded = encode(key_document(self.digest, stand_ins))
        places = sorted((encoded.index(text.encode()), port) for port, text in stand_ins.items())
        pieces: list[tuple[bytes, str]] = []
        cursor = 0
        for place, port in places:
            pieces.append((encoded[cursor:place], port))
            cursor = place + DIGEST_LENGTH
        self._templates[ports] = pieces, encoded[cursor:]
        return self._templates[ports]
