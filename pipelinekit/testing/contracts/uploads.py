"""What receives blobs from elsewhere must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import ConflictError, IntegrityError, UsageError
from pipelinekit.ports import Blobs
from pipelinekit.ports.uploads import Uploads

WHOLE = bytes(range(256)) * 4
DIGEST = digest_bytes(WHOLE)
HALF = len(WHOLE) // 2


class UploadsContract:
    """The suite for what receives blobs."""

    def make(self) -> tuple[Uploads, Blobs]:
        """A receiver, and the store that it fills."""
        raise NotImplementedError

    def test_whole_blobs_are_stored_under_their_digests(self) -> None:
        uploads, blobs = self.make()
        sent = {digest_bytes(data): data for data in (b"", b"one", WHOLE)}
        assert uploads.store((digest, memoryview(data)) for digest, data in sent.items()) == 3
        assert {digest: blobs.read(digest) for digest in sent} == sent

    def test_a_blob_is_never_there_under_a_digest_that_it_has_not(self) -> None:
        uploads, blobs = self.make()
        with pytest.raises(IntegrityError):
            uploads.store([(DIGEST, memoryview(b"other"))])
        with pytest.raises(IntegrityError):
            uploads.append("anna", DIGEST, 5, 0, b"other")
        assert blobs.missing([DIGEST]) == {DIGEST}
        assert uploads.parts("anna", [DIGEST]) == {}  # and it can be sent anew
        assert uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE) == len(WHOLE)
        assert blobs.read(DIGEST) == WHOLE

    def test_a_blob_comes_in_parts_and_what_came_is_told(self) -> None:
        uploads, blobs = self.make()
        assert uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF]) == HALF
        assert uploads.parts("anna", [DIGEST, digest_bytes(b"other")]) == {DIGEST: HALF}
        assert blobs.missing([DIGEST]) == {DIGEST}
        assert uploads.append("anna", DIGEST, len(WHOLE), HALF, WHOLE[HALF:]) == len(WHOLE)
        assert blobs.read(DIGEST) == WHOLE
        assert uploads.parts("anna", [DIGEST]) == {}

    def test_a_part_that_comes_again_changes_nothing(self) -> None:
        uploads, blobs = self.make()
        for _ in range(2):
            assert uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF]) == HALF
        assert uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[: HALF // 2]) == HALF
        assert uploads.append("anna", DIGEST, len(WHOLE), HALF // 2, WHOLE[HALF // 2 :]) == len(WHOLE)
        assert blobs.read(DIGEST) == WHOLE

    def test_a_part_that_does_not_fit_is_refused(self) -> None:
        uploads, _ = self.make()
        with pytest.raises(ConflictError):
            uploads.append("anna", DIGEST, len(WHOLE), 1, WHOLE[1:])
        with pytest.raises(UsageError):
            uploads.append("anna", DIGEST, 10, 0, WHOLE)

    def test_senders_do_not_meddle_with_each_other(self) -> None:
        uploads, blobs = self.make()
        uploads.append("mallory", DIGEST, len(WHOLE), 0, b"x" * HALF)
        assert uploads.parts("anna", [DIGEST]) == {}
        uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF])
        uploads.append("anna", DIGEST, len(WHOLE), HALF, WHOLE[HALF:])
        assert blobs.read(DIGEST) == WHOLE
        assert uploads.parts("mallory", [DIGEST]) == {DIGEST: HALF}
