"""Twins and implementations of secrets and of their keys pass one suite."""

import itertools

import pytest

from pipelinekit.storage.sealing import KeyFile
from pipelinekit.storage.secrets import SQLSecrets
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.contracts.secrets import SecretKeysContract, SecretRecordsContract
from pipelinekit.testing.secrets import MemoryKeys, MemorySecrets


class TestMemoryRecords(SecretRecordsContract):
    def make(self, clock):
        return MemorySecrets(clock)


class TestSQLiteRecords(SecretRecordsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self, clock):
        return SQLSecrets(SQLiteDatabase(self.folder / "records.db"), clock)


class TestMemoryKeys(SecretKeysContract):
    def make(self):
        return MemoryKeys()


class TestKeyFile(SecretKeysContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.places = (tmp_path / str(number) / "secrets.key" for number in itertools.count())

    def make(self):
        return KeyFile(next(self.places))
