"""Changes that requests ask for: carried out in one transaction with the row of the audit log that tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipelinekit.bootstrap import Services
from pipelinekit.domain.tokens import Principal
from pipelinekit.rest.desk import Asked

T = TypeVar("T")


async def change(asked: Asked, action: str, how: Callable[[Services], tuple[str, T]], *, is_long: bool = False) -> T:
    """Change something; `how` tells the name of what it changed, and the answer. See `Asked.do` for what is long."""

    def work(services: Services, principal: Principal) -> T:
        with services.records.batch():
            name, answer = how(services)
            services.audit.note(action, name, by=asked.origin(principal))
        return answer

    return await asked.do(work, is_long=is_long)
