"""Secrets on their way into an attempt: read from the records at the moment when it begins, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.runs import Failure
from pipelinekit.errors import PipelinekitError

SecretsFor = Callable[[Attempt], Mapping[str, str]]


def no_secrets(attempt: Attempt) -> Mapping[str, str]:
    """What a compute target gives that was not told where secrets are."""
    raise PipelinekitError(f"nobody here can read the secrets of step {attempt.step!r}")


def read_secrets(attempt: Attempt, secrets_for: SecretsFor) -> tuple[Mapping[str, str], Failure | None]:
    """The values that an attempt is given, or why it cannot be."""
    if not attempt.task.secrets:
        return {}, None
    try:
        return secrets_for(attempt), None
    except (PipelinekitError, OSError) as error:
        words = f"the step cannot be given its secrets: {getattr(error, 'message', error)}"
        return {}, Failure("environment", words, hint=getattr(error, "hint", ""))
