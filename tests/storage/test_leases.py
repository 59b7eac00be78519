"""Who is held for alive: processes are looked for only where process ids mean the same; elsewhere the lease counts."""

import os
import subprocess
import sys

import pytest
from machines import isolated
from seams import Child

from pipelinekit.storage import leases

NOW = 1_000_000.0
SAY = """
    import sys
    from pipelinekit.storage import leases
    print(leases.owner_id(), leases.deadline(), flush=True)
    sys.stdin.readline()
"""


def test_this_process_is_alive_until_its_lease_ends():
    for shared in (None, NOW):
        assert leases.is_alive(leases.owner_id(), leases.deadline(), 0.0, shared)
        assert not leases.is_alive(leases.owner_id(), leases.deadline() - leases.LEASE_SECONDS - 1, NOW, shared)


def test_a_process_of_this_machine_that_is_gone_is_dead_at_once():
    child = Child(SAY)
    owner, until = child.says().split()
    for shared in (None, NOW):
        assert leases.is_alive(owner, float(until), NOW, shared)
    child.kill()
    for shared in (None, NOW):
        assert not leases.is_alive(owner, float(until), NOW, shared)


def test_a_process_in_another_container_is_not_looked_for(tmp_path):
    """Its id belongs to somebody else here, or to nobody; by the clock that both share, its lease goes on."""
    child = Child(SAY, prefix=("unshare", "-rm", "--pid", "--fork", "--mount-proc", "--kill-child"))
    owner, until = child.says().split()
    host, place, pid, _ = owner.split("|")
    assert (host, place.partition("/")[0], pid) == (os.uname().nodename, leases._boot_id(), "1")
    assert leases.is_alive(owner, float(until), 0.0)
    assert leases.is_alive(owner, 0.0, NOW - 29, NOW)
    child.kill()
    assert leases.is_alive(owner, float(until), 0.0), "nobody can tell"
    assert not leases.is_alive(owner, leases._seconds_since_boot() - 1, 0.0)
    assert not leases.is_alive(owner, float(until), NOW - 31, NOW)


@pytest.mark.parametrize("host", ["elsewhere", os.uname().nodename])
def test_of_a_machine_that_shares_a_server_only_the_servers_clock_counts(tmp_path, host):
    """Also of one that has this one's name."""
    child = Child(SAY, prefix=isolated(tmp_path / "boot", host[:12], "--time", "--boottime", "1000000"))
    owner, until = child.says().split()
    child.kill()
    owner = owner.replace(host[:12], host)
    for deadline in (0.0, float(until), 1e12):
        assert leases.is_alive(owner, deadline, NOW - 29, NOW)
        assert not leases.is_alive(owner, deadline, NOW - 31, NOW)


def test_a_boot_that_is_over_is_dead_where_records_are_a_file():
    host, _, pid, started = leases.owner_id().split("|")
    assert not leases.is_alive(f"{host}|an-earlier-boot/1|{pid}|{started}", 1e12, NOW)
    assert not leases.is_alive("nonsense", 1e12, NOW)


def test_owners_that_an_earlier_release_wrote_are_understood():
    host, place, pid, started = leases.owner_id().split("|")
    owner = f"{host}|{place.partition('/')[0]}|{pid}|{started}"
    assert leases.is_alive(owner, leases.deadline(), 0.0)
    assert not leases.is_alive(owner, 0.0, 0.0)


def test_ids_differ_by_process():
    said = subprocess.run(
        [sys.executable, "-P", "-c", "from pipelinekit.storage import leases; print(leases.owner_id())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert said != leases.owner_id()
    assert said.split("|")[:2] == leases.owner_id().split("|")[:2]
