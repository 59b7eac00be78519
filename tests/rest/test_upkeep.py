"""Checks and clean-up over HTTP, which may take long."""

import asyncio

import pytest
from rest.conftest import service_in


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One with a single thread for what is asked of it."""
    with service_in(tmp_path_factory.mktemp("service"), threads=1) as made:
        yield made


@pytest.mark.parametrize("path", ["/clean-ups", "/checks/repairs"])
def test_calls_are_answered_while_long_work_goes_on(service, path):
    """It cannot end, because another process, as it were, writes to the records all the while."""
    assert service("GET", "/api/v1/runs").status_code == 200, "from now on it is known that the token is used"
    headers = {"authorization": f"Bearer {service.owner}"}
    database = service.services().open_database()
    with database.transaction():
        database.lock()
        long = asyncio.run_coroutine_threadsafe(service.send("POST", f"/api/v1{path}", headers=headers), service._loop)
        assert [service("GET", "/api/v1/runs").status_code for _ in range(5)] == [200] * 5
        assert not long.done()
    assert long.result(60).status_code == 200
    database.close()
