"""Objects by formats that an author chooses on purpose: pickle, joblib and skops.

Reading a pickle or a joblib file runs whatever code its writer put into it. These formats are read in step processes,
and where a person calls `load()`; nothing of the control plane imports this module.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.formats.registry import ValueFormat
from pipelinekit.late import late

if TYPE_CHECKING:
    import joblib
    import skops.io as skops_io
else:
    joblib = late("joblib")
    skops_io = late("skops.io")

PICKLE_PROTOCOL = 5  # fixed, so that equal objects keep equal bytes when Python's default moves on


class PickleFormat:
    """Python's pickle."""

    def write(self, value: Any, path: Path) -> str:
        """Pickle the value."""
        with path.open("wb") as stream:
            pickle.dump(value, stream, protocol=PICKLE_PROTOCOL)
        return ""

    def read(self, path: Path, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """Unpickle the value."""
        with path.open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - the author's explicit choice


class JoblibFormat:
    """joblib, as scikit-learn's own documentation stores estimators."""

    def write(self, value: Any, path: Path) -> str:
        """Dump the value, uncompressed."""
        with path.open("wb") as stream:
            joblib.dump(value, stream, protocol=PICKLE_PROTOCOL)
        return ""

    def read(self, path: Path, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """Load the value."""
        with path.open("rb") as stream:
            return joblib.load(stream)


class SkopsFormat:
    """skops, which stores estimators without pickle and loads only types it trusts."""

    def write(self, value: Any, path: Path) -> str:
        """Dump the estimator."""
        skops_io.dump(value, path)
        return ""

    def read(self, path: Path, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """Load the estimator; types that skops does not know are refused by it."""
        return skops_io.load(path)


FORMATS: dict[str, ValueFormat] = {"pickle": PickleFormat(), "joblib": JoblibFormat(), "skops": SkopsFormat()}
