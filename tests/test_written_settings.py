"""Settings that a command writes: the others stay as they are."""

import pytest

from pipelinekit.config import load_settings, write_settings
from pipelinekit.errors import UsageError


def test_written_settings_are_read_and_others_stay(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("# mine\ncores = 3\nblobs = 's3://old/place'\n")
    write_settings(tmp_path, {"blobs": "s3://bucket/prefix", "blobs_region": ""})
    assert file.read_text() == 'blobs = "s3://bucket/prefix"\n# mine\ncores = 3\n'
    settings = load_settings(tmp_path, {})
    assert (settings.blobs, settings.cores) == ("s3://bucket/prefix", 3)
    write_settings(tmp_path, {"blobs": "", "blobs_region": ""})
    assert load_settings(tmp_path, {}).blobs == ""
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_file_that_is_written_in_another_way_is_left_alone(tmp_path):
    text = 'experiment = """\nblobs = 1\n"""\n'
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError, match="cannot be changed here"):
        write_settings(tmp_path, {"blobs": "s3://bucket/prefix"})
    assert (tmp_path / "config.toml").read_text() == text


def test_what_the_environment_decides_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINEKIT_BLOBS", "s3://elsewhere/prefix")
    with pytest.raises(UsageError, match="environment variable PIPELINEKIT_BLOBS decides"):
        write_settings(tmp_path, {"blobs": "s3://bucket/prefix"})
    assert not (tmp_path / "config.toml").exists()
