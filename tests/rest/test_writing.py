"""Requests that come while another writes: they are written together, and none has to do with what is wrong with another."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import wait_for

from pipelinekit import Workspace
from pipelinekit.bootstrap import open_services
from pipelinekit.domain.audit import Origin
from pipelinekit.errors import UsageError
from pipelinekit.rest.writing import Writing

WHO = Origin("anna", "", "", "")


class Desk:
    """Threads that write, each with services of its own."""

    def __init__(self, folder):
        Workspace.open(folder)
        self.home = folder / ".pipelinekit"
        self.writing = Writing()
        self.local = threading.local()
        self.wrote = {}
        self.began, self.goes_on = threading.Event(), threading.Event()

    def note(self, name, fails=False):
        """Note something in the audit log, and then fail, if it is to."""

        def write(services):
            services.audit.note("call", name, by=WHO)
            self.wrote.setdefault(name, []).append(threading.get_ident())
            if fails:
                raise UsageError(f"{name} is wrong")
            return name

        return self.writing.do(self.services(), write)

    def hold(self):
        """Write until the others wait."""

        def write(services):
            self.began.set()
            assert self.goes_on.wait(60)
            services.audit.note("call", "first", by=WHO)
            return "first"

        return self.writing.do(self.services(), write)

    def services(self):
        if not hasattr(self.local, "services"):
            self.local.services = open_services(self.home)
        return self.local.services

    def noted(self):
        return sorted(row.event.object for row in open_services(self.home).audit.list() if row.event.action == "call")


@pytest.mark.parametrize("wrong", [[], ["c"], ["a", "e"]])
def test_who_comes_while_another_writes_is_written_with_those_that_come_with_him(tmp_path, wrong):
    desk = Desk(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(desk.hold)
        assert desk.began.wait(60)
        others = {name: pool.submit(desk.note, name, name in wrong) for name in "abcde"}
        wait_for(lambda: len(desk.writing._jobs) == len(others))
        desk.goes_on.set()
        assert first.result(60) == "first"
        for name, other in others.items():
            if name in wrong:
                with pytest.raises(UsageError, match=f"{name} is wrong"):
                    other.result(60)
            else:
                assert other.result(60) == name
    assert desk.noted() == sorted(["first", *(name for name in "abcde" if name not in wrong)])
    last = {threads[-1] for threads in desk.wrote.values()}
    assert len(last) == 1, "one thread wrote for all"
    if not wrong:
        assert all(len(threads) == 1 for threads in desk.wrote.values())


def test_more_than_fit_into_one_transaction_are_all_written(tmp_path):
    desk = Desk(tmp_path)
    names = [f"n{number:02}" for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(desk.hold)
        assert desk.began.wait(60)
        others = [pool.submit(desk.note, name) for name in names[:39]]
        wait_for(lambda: len(desk.writing._jobs) == 39)
        desk.goes_on.set()
        assert [other.result(60) for other in others] == names[:39]
        assert first.result(60) == "first"
    assert desk.noted() == ["first", *names[:39]]
