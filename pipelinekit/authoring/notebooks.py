"""Steps defined in a notebook or an interactive shell."""

from __future__ import annotations

import sys

from pipelinekit.typed import Any


def in_notebook() -> bool:
    """Whether this process is an IPython session: a notebook or an interactive shell."""
    return shell() is not None


def shell() -> Any:
    """The running IPython shell, if IPython is loaded and one runs."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
