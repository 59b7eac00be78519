"""What records of secrets and the keys of their values must do. Derive test classes, and give them `make()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pipelinekit.domain.secrets import Sealed, Secret
from pipelinekit.errors import NotFoundError, PipelinekitError, StorageError
from pipelinekit.ports.secrets import SecretKeys, SecretRecords
from pipelinekit.testing.clock import HandClock


def as_text(text: str) -> Callable[[int, Mapping[str, Sealed]], str]:
    """What seals a value as this very text."""
    return lambda _version, _others: text


@contextmanager
def refused(kind: type[PipelinekitError], words: str) -> Iterator[None]:
    """What happens inside is refused with these words."""
    told = ""
    try:
        yield
    except kind as error:
        told = error.message
    assert words in told, told or f"{kind.__name__} was not raised"


class SecretRecordsContract:
    """The suite for records of secrets."""

    def make(self, clock: HandClock) -> SecretRecords:
        """Records without a secret."""
        raise NotImplementedError

    def test_there_is_nothing_at_first(self) -> None:
        records = self.make(HandClock())
        assert list(records.list()) == []
        assert records.versions(["A"]) == {}
        assert records.sealed() == {}

    def test_every_value_is_a_new_version_and_the_one_before_is_dropped(self) -> None:
        clock = HandClock()
        records = self.make(clock)
        first = records.put("A", "me", as_text("one"))
        clock.turn(5.0)
        second = records.put("A", "you", as_text("two"))
        assert (first.version, second.version) == (1, 2)
        assert list(records.list()) == [Secret("A", 2, clock.now(), "you")]
        assert records.sealed() == {"A": Sealed(2, "two")}

    def test_secrets_are_listed_by_name(self) -> None:
        records = self.make(HandClock())
        for name in ("B", "A", "a"):
            records.put(name, "me", as_text(name))
        assert [secret.name for secret in records.list()] == ["A", "B", "a"]
        assert records.versions(["A", "C", "a"]) == {"A": 1, "a": 1}

    def test_secrets_that_no_user_names_are_sealed_like_others_and_not_listed(self) -> None:
        records = self.make(HandClock())
        records.put("webhook/1", "me", as_text("x"))
        assert list(records.list()) == []
        assert records.sealed() == {"webhook/1": Sealed(1, "x")}

    def test_who_seals_is_told_the_version_and_what_is_sealed(self) -> None:
        records = self.make(HandClock())
        records.put("A", "me", as_text("one"))
        told: list[object] = []

        def seal(version: int, others: Mapping[str, Sealed]) -> str:
            told.append((version, dict(others)))
            return "two"

        records.put("A", "me", seal)
        assert told == [(2, {"A": Sealed(1, "one")})]

    def test_what_cannot_be_sealed_changes_nothing(self) -> None:
        records = self.make(HandClock())
        records.put("A", "me", as_text("one"))

        def fail(_version: int, _others: Mapping[str, Sealed]) -> str:
            raise StorageError("no key")

        with refused(StorageError, "no key"):
            records.put("A", "me", fail)
        assert records.sealed() == {"A": Sealed(1, "one")}
        assert records.put("A", "me", as_text("two")).version == 2

    def test_numbers_of_deleted_secrets_are_not_given_again(self) -> None:
        records = self.make(HandClock())
        records.put("A", "me", as_text("one"))
        records.put("A", "me", as_text("two"))
        records.delete("A", "me")
        assert list(records.list()) == []
        assert records.versions(["A"]) == {}
        assert records.sealed() == {}
        assert records.put("A", "me", as_text("three")).version == 3

    def test_what_is_not_there_cannot_be_deleted(self) -> None:
        records = self.make(HandClock())
        with refused(NotFoundError, "no secret 'A'"):
            records.delete("A", "me")
        records.put("A", "me", as_text("one"))
        records.delete("A", "me")
        with refused(NotFoundError, "no secret 'A'"):
            records.delete("A", "me")

    def test_other_seals_are_put_on_all_or_nothing(self) -> None:
        records = self.make(HandClock())
        records.put("A", "me", as_text("one"))
        records.put("B", "me", as_text("two"))
        before = list(records.list())
        records.reseal(lambda sealed: {name: item.text.upper() for name, item in sealed.items()})
        assert records.sealed() == {"A": Sealed(1, "ONE"), "B": Sealed(1, "TWO")}
        assert list(records.list()) == before, "it is the same value, set when it was set"

        def fail(_: Mapping[str, Sealed]) -> Mapping[str, str]:
            raise StorageError("no key")

        with refused(StorageError, "no key"):
            records.reseal(fail)
        assert records.sealed() == {"A": Sealed(1, "ONE"), "B": Sealed(1, "TWO")}


class SecretKeysContract:
    """The suite for keys."""

    def make(self) -> SecretKeys:
        """Keys that are not made yet."""
        raise NotImplementedError

    def test_what_is_sealed_can_be_opened(self) -> None:
        keys = self.make()
        keys.make()
        for value in ("correct horse", "ü\n\x00\r\n€", "x" * 100_000):
            assert keys.open("A", Sealed(1, keys.seal("A", 1, value))) == value

    def test_it_can_be_opened_only_as_what_it_is(self) -> None:
        keys = self.make()
        keys.make()
        text = keys.seal("A", 1, "correct horse")
        for name, version in (("B", 1), ("A", 2)):
            with refused(StorageError, f"secret '{name}'"):
                keys.open(name, Sealed(version, text))

    def test_the_first_key_is_made_once(self) -> None:
        keys = self.make()
        keys.make()
        text = keys.seal("A", 1, "correct horse")
        keys.make()
        assert keys.open("A", Sealed(1, text)) == "correct horse"

    def test_without_a_key_nothing_is_sealed_opened_or_changed(self) -> None:
        keys = self.make()
        for action in (
            lambda: keys.seal("A", 1, "correct horse"),
            lambda: keys.open("A", Sealed(1, "[]")),
            keys.add,
            lambda: keys.retire({}),
        ):
            with refused(StorageError, "is not there"):
                action()

    def test_other_keys_open_nothing(self) -> None:
        keys, others = self.make(), self.make()
        keys.make()
        others.make()
        others.add()
        with refused(StorageError, "does not open secret 'A'"):
            keys.open("A", Sealed(1, others.seal("A", 1, "correct horse")))

    def test_a_new_key_opens_what_older_ones_sealed_until_those_are_retired(self) -> None:
        keys = self.make()
        keys.make()
        old = Sealed(1, keys.seal("A", 1, "correct horse"))
        keys.add()
        new = Sealed(1, keys.seal("A", 1, "correct horse"))
        assert keys.open("A", old) == keys.open("A", new) == "correct horse"
        assert keys.retire({"A": new}) == 0
        assert keys.open("A", new) == "correct horse"
        with refused(StorageError, "does not open secret 'A'"):
            keys.open("A", old)

    def test_keys_that_are_needed_are_not_retired(self) -> None:
        keys = self.make()
        keys.make()
        old = Sealed(1, keys.seal("A", 1, "correct horse"))
        keys.add()
        with refused(StorageError, "does not open secret 'A'"):
            keys.retire({"A": old})
        assert keys.open("A", old) == "correct horse"
