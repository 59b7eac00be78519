"""Twins and implementations of environments pass one suite."""

import pytest
from wheels import make_wheel

from pipelinekit.compute.environments import Environments
from pipelinekit.storage.environments import SQLEnvironments
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
