"""An issuer of OpenID Connect that tests start: a discovery document, keys, and tokens signed with them."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "pipelinekit"
_RSA = {}


def make_key(algorithm, bits=2048):
    """A private key."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public(key, identity, **more):
    """A key as an issuer shows it."""
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    made = next((made for kind, made in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    return {**made.to_jwk(key.public_key(), as_dict=True), "kid": identity, "use": "sig", **more}


class OIDCIssuer(ThreadingHTTPServer):
    """`answers` are documents by path; `asked` counts requests by path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = make_key("RS256")
        self.asked = []
        self.answers = {}
        self.show(public(self.key, "first", alg="RS256"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/realm"

    def show(self, *keys):
        """Show these keys, and no others."""
        self.answers["/realm/.well-known/openid-configuration"] = {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        self.answers["/realm/keys"] = {"keys": list(keys)}

    def token(self, key=None, *, algorithm="RS256", kid="first", headers=None, **claims):
        """A token that is valid, but for what is said; claims that are None are left away."""
        now = int(time.time())
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 300, "roles": ["reader"]}
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        headers = {**({"kid": kid} if kid else {}), **(headers or {})}
        return jwt.encode(said, self.key if key is None else key, algorithm, headers=headers)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if isinstance(answer, str):
            self.send_response(302)
            self.send_header("location", answer)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def oidc_issuer():
    """An issuer, until the end of the block."""
    server = OIDCIssuer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
