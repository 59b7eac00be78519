"""Twins and implementations of environments pass one suite."""

import sys
from pathlib import Path

import pytest
from wheels import make_wheel

from pipelinekit.classes import replace
from pipelinekit.compute.environments import CONTENTS, Environments
from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.environments import Environment, Lock, python_identity
from pipelinekit.errors import ComputeError
from pipelinekit.storage.environments import SQLEnvironments
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.environments import EnvironmentBuilderContract, EnvironmentRecordsContract
from pipelinekit.testing.environments import MemoryBuilder, MemoryEnvironments


class TestMemoryRecords(EnvironmentRecordsContract):
    def make(self):
        return MemoryEnvironments(HandClock())


class TestSQLiteRecords(EnvironmentRecordsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return SQLEnvironments(SQLiteDatabase(self.folder / "records.db"), HandClock())


class TestPostgresRecords(EnvironmentRecordsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return SQLEnvironments(PostgresDatabase(self.address), HandClock())


class TestMemoryBuilder(EnvironmentBuilderContract):
    def make(self):
        return MemoryBuilder({"pk-alpha": ["1.0", "2.0"]})

    def damage(self, builder, lock):
        builder.damage(lock)


class TestBuilder(EnvironmentBuilderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        self.folder = tmp_path
        for version in ("1.0", "2.0"):
            make_wheel(tmp_path / "wheels", "pk-alpha", version)
        monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
        monkeypatch.setenv("UV_OFFLINE", "1")

    def make(self):
        return Environments(self.folder)

    def damage(self, builder, lock):
        (module,) = self.folder.glob(f"environments/{lock.place}/lib/*/site-packages/pk_alpha.py")
        module.unlink()
        builder._sound.clear()  # as a process that begins anew

    @pytest.mark.parametrize("how", ["change", "add", "forget", "lose the interpreter"])
    def test_every_kind_of_damage_is_noticed(self, how):
        builder = self.make()
        lock = builder.resolve(Environment("e", ("pk-alpha==1.0",)))
        python = Path(builder.build(lock))
        (module,) = self.folder.glob(f"environments/{lock.place}/lib/*/site-packages/pk_alpha.py")
        match how:
            case "change":
                module.write_text(module.read_text().replace("1.0", "9.9"))
            case "add":
                (module.parent / "stranger.py").write_text("")
            case "forget":
                (python.parents[1] / CONTENTS).unlink()
            case _:
                python.unlink()
        assert builder.built(lock) == "damaged"

    def test_a_process_that_lives_long_looks_again(self, monkeypatch):
        monkeypatch.setattr("pipelinekit.compute.environments.SOUND_SECONDS", 0.0)
        builder = self.make()
        lock = builder.resolve(Environment("e", ("pk-alpha==1.0",)))
        python = builder.build(lock)
        (module,) = self.folder.glob(f"environments/{lock.place}/lib/*/site-packages/pk_alpha.py")
        module.write_text(module.read_text().replace("1.0", "9.9"))
        assert builder.build(lock) == python
        assert "9.9" not in module.read_text()

    def test_a_lock_that_is_more_than_requirements_is_refused(self):
        bad = Lock(python_identity(), ("--index-url http://evil", "pk-alpha==1.0 --hash=sha256:00"))
        with pytest.raises(ComputeError, match="has a line that is no requirement: '--index-url http://evil'"):
            self.make().build(bad, "e")
        assert not (self.folder / "environments").exists()

    def test_what_an_author_locked_is_taken_as_it_is(self):
        lines = ("pk-beta==3.0 --hash=sha256:aa", "pk-alpha==1.0 --hash=sha256:bb")
        assert self.make().resolve(Environment("e", lines)).requirements == tuple(sorted(lines))

    def test_a_lock_that_forgets_a_package_is_refused(self):
        make_wheel(self.folder / "wheels", "pk-gamma", "1.0", requires=["pk-alpha"])
        builder = self.make()
        lock = builder.resolve(Environment("e", ("pk-gamma",)))
        part = replace(lock, requirements=lock.requirements[1:])
        with pytest.raises(ComputeError, match="environment 'part' cannot be built") as error:
            builder.build(part, "part")
        assert "a locked file must name every package that is needed" in error.value.hint

    def test_a_python_that_is_ours_is_taken_from_us(self):
        version = ".".join(map(str, sys.version_info[:2]))
        lock = self.make().resolve(Environment("e", python=version))
        assert (lock.python, lock.base, lock.requirements) == (python_identity(), python_identity(), ())

    def test_without_uv_it_is_said_what_to_install(self, monkeypatch):
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setitem(sys.modules, "uv", None)
        with pytest.raises(ComputeError, match="uv, which is not installed") as error:
            self.make().resolve(Environment("e", ("pk-alpha",)))
        assert "pipelinekit[environments]" in error.value.hint

    def test_credentials_of_an_index_are_not_told(self, monkeypatch):
        monkeypatch.setenv("UV_FIND_LINKS", "https://bob:hunter2@localhost:9/x")
        monkeypatch.delenv("UV_OFFLINE")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(ComputeError) as error:
            self.make().resolve(Environment("e", ("pk-alpha",)))
        assert "hunter2" not in str(error.value)
