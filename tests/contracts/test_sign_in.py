"""The twin and the implementation of issuers pass one suite."""

import pytest
from oidc_issuer import oidc_issuer

from pipelinekit.storage.issuers import WebIssuer
from pipelinekit.testing.contracts.sign_in import IssuerContract
from pipelinekit.testing.sign_in import MemoryIssuer


class TestMemory(IssuerContract):
    def make(self):
        made = MemoryIssuer()

        def show(keys):
            made.held = list(keys)

        def leave():
            made.away = True

        return made, show, leave


class TestWeb(IssuerContract):
    @pytest.fixture(autouse=True)
    def _issuer(self):
        with oidc_issuer() as made:
            self.issuer = made
            yield

    def make(self):
        return WebIssuer(self.issuer.url), lambda keys: self.issuer.show(*keys), self.issuer.answers.clear
