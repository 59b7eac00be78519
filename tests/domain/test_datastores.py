"""Datastores: which names, URLs, options and paths are taken, and what patterns mean."""

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.datastores import (
    check_options,
    check_path,
    check_store_name,
    check_url,
    fixed_part,
    is_pattern,
    matcher,
)
from pipelinekit.errors import UsageError


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("file:///data/raw/", "file:///data/raw"),
        ("S3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("az://container/x", "az://container/x"),
        ("gs://bucket", "gs://bucket"),
        ("https://host:8443/x", "https://host:8443/x"),
        ("sftp://host:2222/srv", "sftp://host:2222/srv"),
        ("file:///", "file:///"),
    ],
)
def test_urls_have_one_form(url, canonical):
    assert check_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x", "ftp://user:word@host/x", "s3://user:word@bucket::x", "ssh://host/x", "github://org:repo@/x", "reference://x", "simplecache::s3://bucket/x",
        "zip://a.zip::s3://b/c", "s3://bucket/a::b", "s3://user:word@bucket/x", "https://user@host/x", "https://host/x?y=z",
        "https://host/x#y", "s3://bucket/../other", "s3://bucket/a/./b", "s3://bucket//a", "file://relative", "file:",
        "s3://", "https:///x", "memory://x", "dask://x", "data:text/plain,x", "s3://bucket/a\\b", "s3://bucket/a\nb", "",
    ],
)  # fmt: skip
def test_urls_that_chain_carry_credentials_or_leave_their_root_are_refused(url):
    with pytest.raises(UsageError) as error:
        check_url(url)
    assert "user:word" not in str(error.value)


@pytest.mark.parametrize("name", ["raw", "Raw_2024", "a" * 255])
def test_names_of_letters_digits_and_underscore_are_taken(name):
    assert check_store_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 256, "a-b", "a b", "a/b", "é", "..", "a\n"])
def test_other_names_are_refused(name):
    with pytest.raises(UsageError):
        check_store_name(name)


def test_a_credential_given_in_the_open_is_refused_with_the_way_to_give_it():
    with pytest.raises(UsageError) as error:
        check_options("s3", {"secret": "x"}, {})
    assert "credential" in error.value.hint
    check_options("s3", {"endpoint": "http://127.0.0.1:9000"}, {"secret": "name"})
    with pytest.raises(UsageError, match="endpoint may not carry") as error:
        check_options("s3", {"endpoint": "http://me:word@host"}, {})
    assert "me:word" not in str(error.value)
    with pytest.raises(UsageError, match="no option 'endpoint_url'"):
        check_options("s3", {"endpoint_url": "x"}, {})
    with pytest.raises(UsageError, match="no secret 'key'"):
        check_options("local", {}, {"key": "x"})


@settings(deadline=None)
@given(st.text(max_size=20))
def test_what_is_taken_as_a_path_stays_below_its_root(text):
    try:
        path = check_path(text)
    except UsageError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))


PARTS = st.text("ab*?", min_size=1, max_size=4).filter(lambda part: "**" not in part)


@settings(deadline=None)
@given(PARTS, st.text("abc", min_size=1, max_size=4))
def test_within_a_folder_patterns_mean_what_fnmatch_says(pattern, name):
    assert bool(matcher(pattern).fullmatch(name)) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "x/b.csv", "x/y/c.csv"]),
        ("x/**", ["x/b.csv", "x/y/c.csv"]),
        ("x/*", ["x/b.csv"]),
        ("?.csv", ["a.csv"]),
        ("[!b].csv", ["a.csv"]),
        ("x/**/c.csv", ["x/y/c.csv"]),
        ("x/[a-c].csv", ["x/b.csv"]),
    ],
)
def test_patterns_stay_in_a_folder_unless_they_say_otherwise(pattern, paths):
    wanted = matcher(pattern)
    assert [path for path in ("a.csv", "x/b.csv", "x/y/c.csv") if wanted.fullmatch(path)] == paths


@pytest.mark.parametrize("pattern", ["[a", "*" * 40, "[z-a]"])
def test_patterns_that_make_no_sense_are_told(pattern):
    with pytest.raises(UsageError, match="pattern"):
        matcher(pattern)


def test_the_folder_that_every_match_lies_in():
    assert fixed_part("a/b/*.csv") == "a/b"
    assert fixed_part("*.csv") == ""
    assert fixed_part("a/b.csv") == "a/b.csv"
    assert is_pattern("a?")
    assert not is_pattern("a")
