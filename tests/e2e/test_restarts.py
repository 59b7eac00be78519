"""Runs whose records are on a server that is restarted, crashes or is away: nothing is lost, nothing is done twice."""

import signal

from conftest import wait_for
from postgres import Server, schema_of

STEPS = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        print("working", n, flush=True)
        Path(folder, f"begun-{n}").touch()
        while not Path(folder, f"go-{n}").exists():
            time.sleep(0.01)
        with open(f"{folder}/executed", "a") as log:
            log.write(f"{n}\\n")
        return n

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def main(folder: str):
        return total([work(1, folder), work(2, folder)])
"""


def test_a_run_outlives_restarts_and_crashes_of_its_server(project, tmp_path):
    server, started = Server(), []
    try:
        url = server.new()
        marks = tmp_path / "marks"
        marks.mkdir()
        executed = marks / "executed"
        project.write(main=STEPS)
        project.home.mkdir()
        (project.home / "config.toml").write_text(f'records = "{url}"\ncores = 2\n')
        words = ("main.py", "-p", f"folder={marks}")
        process = project.start("run", "--json", *words)
        started.append(process)
        wait_for(lambda: (marks / "begun-1").exists() and (marks / "begun-2").exists())
        for number, way in (("1", signal.SIGQUIT), ("2", signal.SIGINT)):
            server.stop(way)
            (marks / f"go-{number}").touch()
            wait_for(lambda number=number: executed.exists() and number in executed.read_text().split())
            server.start()
            wait_for(
                lambda: server.sql("select 1 from pg_stat_activity where application_name = 'pipelinekit'"), 30
            )  # its driver is back
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        assert '"output": 3' in out
        assert sorted(executed.read_text().split()) == ["1", "2"]
        rows = server.sql("select sum(reusable), count(*) from completions group by key", schema=schema_of(url))
        assert rows == [(1, 1)] * 3
        assert project("fsck").out == "no faults\n"
        assert project.executed(*words) == []
        server.stop()
        said = project("run", *words, code=1).err
        assert "cannot be used" in said
        assert "whether the server runs" in said
        assert "Traceback" not in said
    finally:
        server.end()
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()
