"""Hosts and addresses: every notation is read as what it stands for, and nothing that is not public passes as public."""

import ipaddress
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from pipelinekit.domain.hosts import AllowedHost, is_public, plain_address, read_allowed, read_url
from pipelinekit.domain.webhooks import check_place, refusal
from pipelinekit.errors import UsageError

LOOPBACK = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "017700000001", "0x7f.0.0x1",
    "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[2002:7f00:1::]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "localhost", "LOCALHOST.", "a.localhost",
    "[2606:4700::5efe:127.0.0.1]", "0", "0.0.0.0", "[::]",
)  # fmt: skip
NOT_PUBLIC = (
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
    "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[100::1]",
    "[64:ff9b:1::1]", "[::ffff:0:127.0.0.1]", "[2002:a9fe:a9fe::]", "[64:ff9b::169.254.169.254]",
)  # fmt: skip
ODD = (
    "", "https://", "https://h", "ftp://h/", "https://u@h/", "https://u:p@h/", "https://h/#x", "https://h\\@g/", " https://h/",
    "https://h/ x", "https://h/\r\nHost: g", "https://h/\n", "https://exämple.org/", "https://１２７.0.0.1/", "https://%31/",
    "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[127.0.0.1]/", "https://::1/", "https://[::1/", "https://h:0/",
    "https://h:65536/", "https://h:x/", "https://08.1/", "https://1.2.3.4.5/", "https://1.2.3.256/", "https://0x/x y", "https://a..b/",
    "https://-a.org/", "https:///x", "https:/h/", "//h/", "https://4294967296/", "https://1.2.3.0x100/", "https://h/" + "x" * 2000,
)  # fmt: skip


@pytest.mark.parametrize("host", [*LOOPBACK, *NOT_PUBLIC])
@pytest.mark.parametrize("url", ["https://{}/x", "https://{}:443/x", "https://{}"])
def test_an_address_that_is_not_public_is_refused_however_it_is_written(host, url):
    assert refusal(read_url(url.format(host), "it"), ()).endswith("is not public")


@pytest.mark.parametrize("url", [url for url in ODD if url != "https://h"])
def test_what_is_no_plain_address_of_a_web_server_is_refused(url):
    with pytest.raises(UsageError) as error:
        read_url(url, "it")
    assert error.value.hint
    assert "u:p" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://h", "https://h", "/"),
        ("HTTPS://Example.ORG.:8443/a?b=c", "https://example.org:8443", "/a?b=c"),
        ("https://h?x=1", "https://h", "/?x=1"),
        ("http://h:80/", "http://h", "/"),
        ("https://8.8.8.8/", "https://8.8.8.8", "/"),
        ("https://[2606:4700:0::1111]:444/", "https://[2606:4700::1111]:444", "/"),
    ],
)
def test_an_address_is_read_into_its_one_notation(url, origin, path):
    place = read_url(url, "it")
    assert (place.origin, place.path) == (origin, path)
    assert read_url(place.url, "it") == place


@pytest.mark.parametrize(
    "address",
    [
        *(item.strip("[]") for item in (*LOOPBACK, *NOT_PUBLIC) if item[-1] not in "tT." and plain_address(item.strip("[]"))),
        "fe80::1%eth0", "::ffff:10.0.0.1",
    ],
)  # fmt: skip
def test_no_notation_counts_as_public(address):
    plain, _, zone = address.partition("%")
    assert not is_public(str(plain_address(plain)) + (f"%{zone}" if zone else ""))


@given(some.ip_addresses(v=4))
def test_an_address_is_as_public_as_those_of_the_other_kind_that_lead_to_it(address):
    number = int(address)
    nat = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    assert {is_public(str(item)) for item in (nat, mapped, sixtofour)} == {is_public(str(address))}
    assert not is_public(str(address)) or (address.is_global and not address.is_multicast)


@given(some.lists(some.integers(0, 255), min_size=4, max_size=4), some.integers(1, 4), some.data())
def test_numbers_are_read_as_the_libraries_of_this_machine_read_them(numbers, count, data):
    """The last part stands for all bytes that are left."""
    last = int.from_bytes(bytes(numbers[count - 1 :]))
    writings = [data.draw(some.sampled_from(["{}", "0x{:x}", "0{:o}"])) for _ in range(count)]
    text = ".".join(form.format(number) for form, number in zip(writings, [*numbers[: count - 1], last], strict=True))
    assert plain_address(text) == ipaddress.IPv4Address(socket.inet_aton(text))


@pytest.mark.parametrize(
    ("text", "url", "is_covered"),
    [
        ("h", "http://h/", True), ("h", "https://h/", True), ("h", "https://h:8443/", False),
        ("h:8443", "https://h:8443/", True), ("h:8443", "http://h:8443/", True), ("h:8443", "https://h/", False),
        ("127.0.0.1:80", "http://0x7f.1/", True), ("[::1]:80", "http://[0::1]/", True), ("h", "https://x.h/", False),
        ("H.", "https://h/", True),
    ],
)  # fmt: skip
def test_a_host_is_allowed_at_its_ports(text, url, is_covered):
    allowed = read_allowed(text)
    assert allowed.covers(read_url(url, "it")) is is_covered
    assert replaced(read_allowed(allowed.name)) == replaced(allowed)


def replaced(host):
    return AllowedHost(host.host, host.port)


@pytest.mark.parametrize("text", ["", "https://h", "h:0", "h:70000", "h/x", "u@h", "h:1:2", "::1", "[h]", "[::1%1]"])
def test_what_is_no_host_cannot_be_allowed(text):
    with pytest.raises(UsageError):
        read_allowed(text)


def test_hosts_that_are_not_allowed_are_for_those_who_may_choose_them():
    public, allowed = read_url("https://example.org/x?secret", "it"), [read_allowed("10.0.0.1:8080")]
    check_place(public, allowed, "it", anywhere=True)
    with pytest.raises(UsageError, match="is not among the hosts that an owner allowed") as error:
        check_place(public, allowed, "it", anywhere=False)
    assert "secret" not in str(error.value)
    check_place(read_url("http://10.0.0.1:8080/x", "it"), allowed, "it", anywhere=False)
    for url in ("http://example.org/", "https://example.org:8443/", "http://10.0.0.1/", "https://10.0.0.1:8081/"):
        for anywhere in (True, False):
            with pytest.raises(UsageError, match="cannot be told"):
                check_place(read_url(url, "it"), allowed, "it", anywhere=anywhere)


@given(some.text(some.sampled_from("htps:/[]@.#?\\\\%x01a8-\u00e4 \t\r\n"), max_size=12))
@example("a.example:8443/x?y")
@example("[::1]:81?y")
@example("0x7f.1/")
@example("A.example.:443")
def test_what_is_read_is_what_other_readers_of_addresses_see(rest):
    text = f"https://{rest}"
    try:
        place = read_url(text, "it")
    except UsageError:
        return
    parts = urlsplit(text)
    assert (parts.scheme, parts.username, parts.password, parts.fragment) == ("https", None, None, "")
    assert (parts.port or 443) == place.port
    host = (parts.hostname or "").removesuffix(".")
    assert place.host == str(plain_address(host) or host)
    assert place.path == (parts.path or "/") + (f"?{parts.query}" if "?" in text else "")
