"""Tokens of an issuer: which are taken, which never, and what becomes of its keys."""

import base64
import hashlib
import hmac
import json
import time
import warnings

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from oidc_issuer import AUDIENCE, make_key, oidc_issuer, public

from pipelinekit.domain.sign_in import LEEWAY_SECONDS, RefusedTokenError, SignInPolicy, is_issued, read_roles
from pipelinekit.domain.tokens import Kind, Permission, Role
from pipelinekit.errors import ForbiddenError, StorageError, UsageError
from pipelinekit.storage.issuers import MOST_BYTES, WebIssuer
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.sign_in import MemoryIssuer
from pipelinekit.workspace.sign_in import AGAIN_SECONDS, KEPT_SECONDS, STALE_SECONDS, SignIn


@pytest.fixture(scope="module")
def issuer():
    with oidc_issuer() as made:
        yield made


@pytest.fixture
def keys(issuer):
    return MemoryIssuer([public(issuer.key, "first", alg="RS256")])


@pytest.fixture
def clock():
    return HandClock(time.time())


@pytest.fixture
def sign_in(issuer, keys, clock):
    return SignIn(SignInPolicy(issuer.url, AUDIENCE), keys, clock)


def refused(sign_in, token, why):
    with pytest.raises(RefusedTokenError, match=f"^({why})$"):
        sign_in.authenticate(token)


def part(data):
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def test_a_token_says_who_it_is_by_issuer_and_subject(sign_in, issuer):
    found = sign_in.authenticate(issuer.token(email="other@example.org"))
    again = sign_in.authenticate(issuer.token(exp=int(time.time()) + 999, roles=["owner"]))
    assert (found.name, found.role, found.kind) == (f"{issuer.url}#anna", Role.READER, Kind.USER)
    assert found.token == again.token
    assert found.token.startswith("oidc_")
    assert found.expires > time.time()
    assert again.role is Role.OWNER
    assert again.permits(Permission.ADMINISTER)
    assert sign_in.authenticate(issuer.token(sub="bert")).token != found.token


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_keys_of_the_allowed_kinds_sign(sign_in, issuer, keys, algorithm):
    key = make_key(algorithm)
    keys.held = [public(key, "other")]
    assert sign_in.authenticate(issuer.token(key, algorithm=algorithm, kid="other")).role is Role.READER
    assert sign_in.authenticate(issuer.token(key, algorithm=algorithm, kid="")).role is Role.READER, "there is but one"


def test_a_token_without_a_signature_is_never_taken(sign_in, issuer):
    _, claims, _ = issuer.token(roles=["owner"]).split(".")
    for name in ("none", "None", "NONE", ""):
        refused(sign_in, f"{part({'alg': name, 'kid': 'first'})}.{claims}.", "algorithm")
    head, claims, signature = issuer.token().split(".")
    refused(sign_in, f"{head}.{claims}.", "signature")
    forged = part({**jwt.decode(issuer.token(), options={"verify_signature": False}), "roles": ["owner"]})
    refused(sign_in, f"{head}.{forged}.{signature}", "signature")


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_the_public_key_as_a_shared_secret_opens_nothing(sign_in, issuer, encoding):
    secret = issuer.key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    _, claims, _ = issuer.token(roles=["owner"]).split(".")
    for name, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        signed = f"{part({'alg': name, 'typ': 'JWT', 'kid': 'first'})}.{claims}"
        signature = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), digest)).rstrip(b"=").decode()
        refused(sign_in, f"{signed}.{signature}", "algorithm")


def test_keys_that_a_token_brings_or_points_to_do_not_count(sign_in, issuer, keys):
    own = make_key("RS256")
    for headers in ({"jwk": public(own, "first")}, {"jku": issuer.url + "/keys"}, {"x5u": "https://evil.example"}):
        refused(sign_in, issuer.token(own, headers=headers), "signature")
    refused(sign_in, issuer.token(headers={"crit": ["exp"]}), "kind of token|malformed")
    refused(sign_in, issuer.token(headers={"typ": "logout+jwt"}), "kind of token")
    assert sign_in.authenticate(issuer.token(headers={"typ": "at+JWT"}))
    assert keys.asked == 1


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "other"}, "audience"), ({"aud": []}, "a claim is missing|audience"), ({"aud": None}, "a claim is missing"),
        ({"aud": [AUDIENCE + "x"]}, "audience"), ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": None}, "a claim is missing"), ({"exp": None}, "a claim is missing"), ({"sub": None}, "a claim is missing"),
        ({"iat": None}, "a claim is missing"), ({"exp": int(time.time()) - 3600}, "expired"), ({"exp": 1e300}, "malformed"),
        ({"exp": True}, "malformed"), ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iat": int(time.time()) + 3600}, "not valid yet"), ({"sub": ""}, "no subject"),
        ({"sub": "a\nforged"}, "no subject"), ({"sub": "x" * 300}, "no subject"),
    ],
)  # fmt: skip
def test_what_it_says_must_fit(sign_in, issuer, claims, why):
    refused(sign_in, issuer.token(**claims), why)


def test_clocks_may_differ_a_little(sign_in, issuer, clock):
    token = issuer.token(exp=int(clock.now()) + 100, nbf=int(clock.now()) + 20, aud=["other", AUDIENCE])
    assert sign_in.authenticate(token)
    clock.turn(100 + LEEWAY_SECONDS - 5)
    assert sign_in.authenticate(token)
    clock.turn(10)
    refused(sign_in, token, "expired")


@pytest.mark.parametrize(
    "text",
    ["eyJ..", "eyJhbGciOiJSUzI1NiJ9.e30.", "eyJ" + "A" * 5000 + ".e30.x", "eyJ" + "x" * 9000 + "..", "eyJ\u00e9..",
     base64.urlsafe_b64encode(b'{"a":' + b"[" * 3000).decode() + ".e30.e30"],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_breaks_nothing(sign_in, text):
    with pytest.raises(RefusedTokenError):
        sign_in.authenticate(text)


def test_keys_that_are_weak_private_or_of_other_kinds_are_not_used(sign_in, issuer, keys):
    weak, curve = make_key("RS256", 1024), make_key("ES384")
    private = {**public(issuer.key, "private"), "d": "x"}
    keys.held = [public(weak, "weak"), public(curve, "curve"), private, public(issuer.key, "enc", use="enc"),
                 public(issuer.key, "ps", alg="PS256"), {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, {"kty": "RSA"}, {}]  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        refused(sign_in, issuer.token(weak, kid="weak"), "unknown key")
    for kid in ("private", "enc", "ps", "oct", "curve"):
        refused(sign_in, issuer.token(kid=kid), "unknown key")
    refused(sign_in, issuer.token(kid=""), "unknown key")


def test_a_key_of_one_kind_does_not_stand_for_another(sign_in, issuer, keys):
    other = make_key("ES256")
    keys.held += [public(other, "curve")]
    refused(sign_in, issuer.token(other, algorithm="ES256", kid="first"), "unknown key")


def test_unknown_keys_are_asked_for_and_not_more_often_than_is_good(sign_in, issuer, keys, clock):
    fresh = make_key("RS256")
    for _ in range(20):
        refused(sign_in, issuer.token(fresh, kid="second"), "unknown key")
    assert keys.asked == 1
    keys.held = [public(fresh, "second")]
    clock.turn(AGAIN_SECONDS)
    assert sign_in.authenticate(issuer.token(fresh, kid="second"))
    refused(sign_in, issuer.token(), "unknown key")
    assert keys.asked == 2, "the old key is gone with the rotation"


def test_keys_are_asked_for_again_and_last_a_while_where_the_issuer_is_away(sign_in, issuer, keys, clock):
    def token():
        return issuer.token(exp=int(clock.now()) + 60)

    assert sign_in.authenticate(token())
    clock.turn(KEPT_SECONDS - 1)
    assert sign_in.authenticate(token())
    assert keys.asked == 1
    keys.away = True
    clock.turn(2)
    assert sign_in.authenticate(token())
    assert keys.asked == 2
    clock.turn(STALE_SECONDS)
    with pytest.raises(StorageError, match="away"):
        sign_in.authenticate(token())
    keys.away = False
    clock.turn(AGAIN_SECONDS)
    assert sign_in.authenticate(token())


def test_an_issuer_that_was_never_there_is_trouble_and_no_refusal(sign_in, issuer, keys):
    keys.away = True
    for _ in range(2):
        with pytest.raises(StorageError):
            sign_in.authenticate(issuer.token())
    assert keys.asked == 1


# -- roles ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "claims", "role"),
    [
        ({}, {"roles": ["reader", "owner", "contributor"]}, Role.OWNER),
        ({}, {"roles": "contributor"}, Role.CONTRIBUTOR),
        ({}, {"roles": ["Owner", "admin", 3, None, ["owner"]]}, None),
        ({}, {"roles": {"owner": True}}, None),
        ({}, {"roles": None}, None),
        ({"role_claim": "realm_access.roles"}, {"realm_access": {"roles": ["reader"]}}, Role.READER),
        ({"role_claim": "realm_access.roles"}, {"realm_access": ["reader"]}, None),
        ({"role_claim": "https://x.example/roles"}, {"https://x.example/roles": ["reader"]}, Role.READER),
        ({"roles": {"ml-admins": Role.OWNER}}, {"roles": ["ml-admins", "reader"]}, Role.OWNER),
        ({"roles": {"ml-admins": Role.OWNER}}, {"roles": ["owner"]}, None),
    ],
)
def test_the_role_is_what_the_claim_gives_and_else_none(issuer, keys, clock, policy, claims, role):
    sign_in = SignIn(SignInPolicy(issuer.url, AUDIENCE, **policy), keys, clock)
    if role is None:
        with pytest.raises(ForbiddenError, match="'anna' has no role here"):
            sign_in.authenticate(issuer.token(**claims))
    else:
        assert sign_in.authenticate(issuer.token(**claims)).role is role


def test_settings_that_would_take_too_much_are_refused():
    for url in (
        "http://login.example.org",
        "https://",
        "ftp://x",
        "https://a:b@x.example",
        "https://x/?a=1",
        "",
        "https://[x",
    ):
        with pytest.raises(UsageError, match="no address of an issuer"):
            SignInPolicy(url, AUDIENCE)
    with pytest.raises(UsageError, match="one audience only"):
        SignInPolicy("https://login.example.org", "")
    assert read_roles(["a=b=owner"]) == {"a=b": Role.OWNER}
    for text in ("owner", "x=admin", "=owner"):
        with pytest.raises(UsageError, match="which role"):
            read_roles([text])


def test_tokens_of_our_own_are_not_taken_for_an_issuers(issuer):
    assert is_issued(issuer.token())
    assert not is_issued("pk_7axhbtcwhg1v_x_y")


# -- the issuer on the web -----------------------------------------------------------------------------------------------


def test_keys_come_from_where_the_issuer_says(issuer):
    assert [key["kid"] for key in WebIssuer(issuer.url).public_keys()] == ["first"]


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        ("/.well-known/openid-configuration", {"issuer": "https://other.example", "jwks_uri": "x"}, "calls itself 'https://other"),
        ("/.well-known/openid-configuration", "http://127.0.0.1:1/", "302|Found"),
        ("/.well-known/openid-configuration", None, "404|Not Found"),
        ("/.well-known/openid-configuration", [], "something else than JSON"),
        ("/.well-known/openid-configuration", b"<html>", "something else than JSON"),
        ("/.well-known/openid-configuration", b"[" * 200_000, "something else than JSON"),
        ("/.well-known/openid-configuration", b" " * (MOST_BYTES + 1), "more than"),
        ("/keys", {"keys": "none"}, "no list"),
        ("/keys", {"keys": [{}] * 101}, "no list"),
    ],
)  # fmt: skip
def test_an_issuer_that_answers_oddly_is_told_of(path, answer, why):
    with oidc_issuer() as odd:
        odd.answers["/realm" + path] = answer
        with pytest.raises(StorageError, match=why):
            WebIssuer(odd.url).public_keys()


@pytest.mark.parametrize("place", ["http://evil.example/keys", "file:///etc/passwd", "https://a:b@evil.example", None])
def test_keys_are_taken_from_safe_places_only(place):
    with oidc_issuer() as odd:
        odd.answers["/realm/.well-known/openid-configuration"]["jwks_uri"] = place
        with pytest.raises(StorageError, match="safely"):
            WebIssuer(odd.url).public_keys()


def test_an_issuer_that_is_not_there_or_is_silent_is_told_of():
    with pytest.raises(StorageError, match="cannot be had"):
        WebIssuer("http://127.0.0.1:9").public_keys()
