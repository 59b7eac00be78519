"""What is asked of the nouns of a workspace: bytes that no browser shows, secrets that nobody sees, rows that tell who."""

import io
import json
import zipfile

import pytest
from conftest import Project
from rest.conftest import service_in

from pipelinekit.domain.audit import DONE

FILE = """
    from pathlib import Path
    from pipelinekit import File, Folder, get_context, pipeline, step

    @step
    def page(text: str) -> File:
        Path("page.html").write_text(text)
        return File("page.html")

    @step
    def folder(text: str) -> Folder:
        Path("kept").mkdir()
        Path("kept", "one.txt").write_text(text)
        return Folder("kept")

    @step
    def number(text: str) -> int:
        get_context().log("length", len(text))
        return len(text)

    @pipeline
    def pages(text: str = "<script>alert(1)</script>"):
        return {"page": page(text), "folder": folder(text), "number": number(text)}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    with service_in(folder) as made:
        project = Project(folder)
        project.write(pages=FILE)
        made.run = project.run("pages.py")["id"]
        project.run("pages.py", "-p", "text=other")
        (folder / "raw").mkdir()
        (folder / "raw" / "sales.csv").write_text("day,count\n2024-01-01,3\n")
        (folder / "outside.txt").write_text("nobody's business")
        project("datastores", "register", "raw", "raw")
        project("datasets", "register", "sales", "sales.csv", "--store", "raw", "--tabular")
        made.contributor = made.token("carl", role="contributor")
        yield made


def api(service, method, path, *words, **options):
    return service(method, f"/api/v1{path}", *words, **options)


def rows(service, count=1):
    """The newest rows of the audit log."""
    return api(service, "GET", f"/tokens/audit/log?limit={count}").json()["rows"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/runs/{run}/outputs/page/content", "page.html"),
        ("/runs/{run}/outputs/folder/content", "folder.zip"),
        ("/runs/{run}/outputs/number/content", "number.json"),
        ("/runs/{run}/outputs/output/content?step=page", "output.html"),
        ("/runs/{run}/graph.svg", "{run}.svg"),
        ("/runs/{run}/export", "run-{run}.zip"),
        ("/datastores/raw/content/sales.csv", "sales.csv"),
        ("/datasets/sales/content/sales.csv", "sales.csv"),
        ("/datasets/sales/head", "head.arrows"),
    ],
)
def test_bytes_are_sent_so_that_no_browser_shows_them(service, path, name):
    answer = api(service, "GET", path.format(run=service.run))
    headers = answer.headers
    assert answer.status_code == 200, answer.text
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith(f'attachment; filename="{name.format(run=service.run)}"')
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["x-content-type-options"] == "nosniff"
    assert answer.content


def test_outputs_are_as_they_were_left(service):
    run = service.run
    assert api(service, "GET", f"/runs/{run}/outputs/page/content").text == "<script>alert(1)</script>"
    archive = zipfile.ZipFile(io.BytesIO(api(service, "GET", f"/runs/{run}/outputs/folder/content").content))
    assert archive.read("one.txt") == b"<script>alert(1)</script>"
    assert api(service, "GET", f"/runs/{run}/outputs/number/content").json() == 25
    assert api(service, "GET", f"/runs/{run}/outputs/nothing/content").status_code == 404
    digest = next(item["digest"] for item in api(service, "GET", f"/runs/{run}/outputs").json()["outputs"].values())
    assert digest.startswith("xxh3:")


def test_no_path_leads_out_of_a_datastore(service):
    for path in (
        "../outside.txt",
        "%2e%2e/outside.txt",
        "..%2foutside.txt",
        "/etc/passwd",
        "sales.csv/../../outside.txt",
    ):
        answer = api(service, "GET", f"/datastores/raw/content/{path}")
        assert answer.status_code in (400, 404), path
        assert "nobody" not in answer.text
    assert api(service, "GET", "/datastores/raw/files?pattern=../*").status_code == 400
    assert api(service, "GET", "/blobs/..%2f..%2frecords.db").status_code == 404
    assert api(service, "GET", "/blobs/xxh3:" + "0" * 32).status_code == 404


def test_views_of_a_run_are_what_the_commands_print(service):
    project = Project(service.home.parent)
    latest = api(service, "GET", "/runs/latest").json()["id"]
    for path, *words in (
        (f"/runs/{service.run}/explanation", "explain", service.run),
        (f"/run-comparisons?run={service.run}&run={latest}", "runs", "compare", service.run, latest),
        (f"/runs/{service.run}/timeline", "runs", "show", service.run, "--timeline"),
        ("/datasets/sales/preview", "datasets", "show", "sales"),
        ("/settings", "settings"),
    ):
        assert api(service, "GET", path).json() == project(*words, "--json").json, path
    assert api(service, "GET", f"/runs/{service.run}/graph").json()["nodes"]
    assert api(service, "GET", f"/runs/{service.run}/children").json() == {"run": service.run, "children": []}


def test_a_plan_tells_every_step_and_records_nothing(service):
    project = Project(service.home.parent)
    made = project("publish", "pages.py", "--endpoint", "paging", "--json").json
    before = (service.services().database.read("all_events", ()), rows(service))
    same = api(service, "POST", f"/pipelines/{made['id']}/plan").json()
    assert same == project("plan", "pages.py", "--json").json
    assert same["summary"] == {"reuse": 3, "run": 0, "maybe": 0, "skip": 0}
    call = {"parameters": {"text": "new"}, "version": 0}
    other = api(service, "POST", "/pipeline-endpoints/paging/plan", service.contributor, json=call).json()
    assert {step["decision"] for step in other["steps"]} == {"run"}
    assert "'text' changed" in other["steps"][0]["reasons"][0]["message"]
    assert api(service, "POST", "/pipeline-endpoints/paging/plan", json={"parameters": {"txt": 1}}).status_code == 400
    assert api(service, "POST", "/plans", json={"upload": "xxh3:" + "0" * 32}).status_code == 404
    assert (service.services().database.read("all_events", ()), rows(service)) == before


def test_a_run_that_was_exported_over_http_is_done_again_elsewhere(service, tmp_path):
    (tmp_path / "run.zip").write_bytes(api(service, "GET", f"/runs/{service.run}/export").content)
    (tmp_path / "elsewhere").mkdir()
    again = Project(tmp_path / "elsewhere")("runs", "reproduce", str(tmp_path / "run.zip"), "--json").json
    assert again["run"] == service.run
    assert [item["identical"] for item in again["outputs"]] == [True] * 3
    more = api(service, "GET", f"/runs/{service.run}/export?with_outputs=true").content
    names = [set(zipfile.ZipFile(io.BytesIO(data)).namelist()) for data in ((tmp_path / "run.zip").read_bytes(), more)]
    assert names[0] < names[1]
    assert api(service, "GET", "/runs/nothing/export").status_code == 404


def test_a_clean_up_that_is_tried_says_what_the_command_says_and_removes_nothing(service):
    project = Project(service.home.parent)
    before = rows(service)
    body = {"dry_run": True, "keep_runs": 0, "max_bytes": 0, "grace_seconds": 7200.0}
    found = api(service, "POST", "/clean-ups", json=body).json()
    words = ("gc", "--dry-run", "--keep-runs", "0", "--max-size", "0", "--grace", "2", "--json")
    assert found == project(*words).json
    assert service.run in found["runs"]
    for wrong in ({"grace_seconds": 60.0}, {"keep_runs": -1}, {"keep_days": "1"}, {"keep": 1}):
        assert api(service, "POST", "/clean-ups", json=wrong).status_code == 400, wrong
    assert api(service, "GET", f"/runs/{service.run}").status_code == 200
    assert rows(service) == before


def test_a_damaged_blob_is_told_and_set_aside(service):
    project = Project(service.home.parent)
    run = project.run("pages.py", "-p", "text=to be damaged")["id"]
    content = api(service, "GET", f"/runs/{run}/outputs/page/content").content
    (blob,) = [path for path in (service.home / "blobs").rglob("*") if path.is_file() and path.read_bytes() == content]
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    found = api(service, "GET", "/checks").json()
    assert found == project("fsck", "--json", code=1).json
    assert (found["clean"], found["repaired"]) == (False, False)
    repaired = api(service, "POST", "/checks/repairs").json()
    assert (repaired["clean"], repaired["repaired"]) == (True, True)
    assert not blob.exists()


def test_each_change_is_in_the_audit_log_with_who_made_it(service):
    blob, _ = service.services().blobs.put(b"a text")
    changes = (
        ("POST", "/experiments", {"name": "trial"}, "experiments.make"),
        ("PATCH", "/experiments/trial", {"description": "x"}, "experiments.change"),
        ("PUT", "/experiments/trial/limits", {"max_runs": 2}, "experiments.limit"),
        ("POST", "/experiments/trial/archive", None, "experiments.archive"),
        ("DELETE", "/experiments/trial", None, "experiments.delete"),
        ("PATCH", f"/runs/{service.run}", {"display_name": "first"}, "runs.describe"),
        ("PATCH", f"/runs/{service.run}/properties", {"add": {"a": "b"}}, "runs.add-properties"),
        ("POST", f"/runs/{service.run}/pin", None, "runs.pin"),
        ("POST", f"/runs/{service.run}/repetitions", {}, "runs.repeat"),
        ("PATCH", "/datasets/sales", {"description": "x"}, "datasets.update"),
        ("POST", "/datasets", {"name": "few", "sources": [{"store": "raw", "path": "*.csv"}]}, "datasets.register"),
        ("DELETE", "/datasets/few", None, "datasets.unregister"),
        ("POST", "/datastores", {"name": "more", "url": str(service.home.parent / "raw")}, "datastores.register"),
        ("POST", "/datastores/more/set-default", None, "datastores.set-default"),
        ("DELETE", "/datastores/more", None, "datastores.unregister"),
        ("POST", "/environments", {"name": "light", "packages": ["attrs"]}, "environments.register"),
        ("POST", "/environments/light/clones", {"name": "copy"}, "environments.clone"),
        ("DELETE", "/environments/copy:1", None, "environments.delete"),
        (
            "POST",
            "/computes/attachments",
            {"name": "far", "address": "tcp://127.0.0.1:9", "skip_validation": True},
            "computes.attach",
        ),
        ("PATCH", "/computes/far", {"description": "x", "max_runs": 1}, "computes.update"),
        ("PATCH", "/computes/local", {"max_runs": 0}, "computes.update"),
        ("POST", "/computes/far/detach", None, "computes.detach"),
        ("PUT", "/secrets/key", {"value": "the value"}, "secrets.set"),
        ("DELETE", "/secrets?name=key", None, "secrets.delete"),
        ("POST", f"/runs/{service.run}/files", {"name": "kept", "blob": blob, "suffix": ".txt"}, "runs.keep-file"),
        ("PUT", "/datastores/raw/content/new.txt", {"blob": blob}, "datastores.write"),
        ("POST", "/reuse/invalidations", {"step": "number"}, "reuse.invalidate"),
        ("POST", "/checks/repairs", {"quick": True}, "workspace.repair"),
        ("POST", "/clean-ups", {"keep_days": 1.0}, "workspace.clean-up"),
    )
    for method, path, body, action in changes:
        answer = api(service, method, path, json=body)
        assert answer.status_code < 300, (path, answer.text)
        row = rows(service)[0]
        assert (row["actor"], row["action"], row["outcome"]) == ("anna", action, DONE), path


def test_a_change_that_fails_leaves_no_row(service):
    before = rows(service)
    for method, path, body in (
        ("DELETE", "/experiments/pages", None),
        ("POST", "/datasets", {"name": "sales", "sources": [{"store": "raw", "path": "*.csv"}]}),
        ("DELETE", "/datastores/nothing", None),
        ("DELETE", "/secrets?name=nothing", None),
        ("POST", f"/runs/{service.run}/files", {"name": "kept", "blob": "xxh3:" + "0" * 32}),
        ("PUT", "/datastores/raw/content/a/../b", {"blob": "xxh3:" + "0" * 32}),
    ):
        assert api(service, method, path, json=body).status_code in (400, 404, 409), path
    assert rows(service) == before


def test_the_value_of_a_secret_is_in_no_answer(service):
    value = "a value that nobody sees"
    set_ = api(service, "PUT", "/secrets/hidden", json={"value": value})
    asked = [set_, api(service, "GET", "/secrets"), api(service, "GET", "/tokens/audit/log?limit=500")]
    assert not any(value in answer.text for answer in asked)
    wrong = api(service, "PUT", "/secrets/no name", json={"value": value})
    assert wrong.status_code == 400
    assert value not in wrong.text
    for body in ({"value": [value]}, {"vaule": value}):
        answer = api(service, "PUT", "/secrets/hidden", json=body)
        assert answer.status_code == 400
        assert value not in answer.text


def test_a_server_reads_none_of_its_files_for_whoever_asks(service):
    sources = [{"path": str(service.home.parent / "outside.txt")}]
    for token in (service.contributor, service.owner):
        answer = api(service, "POST", "/datasets", token, json={"name": "mine", "sources": sources})
        assert answer.status_code == 400
        assert "datastore" in answer.json()["detail"]
    assert api(service, "POST", "/datastores", json={"name": "here", "url": "raw"}).status_code == 400
    answer = api(service, "POST", "/datastores", service.contributor, json={"name": "here", "url": "/"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "recipe", ["x", "{}", "[1]", '[["take", -1]]', '[["take"]]', '[["drop", 1]]', '[[{"$odd": 1}]]']
)
def test_a_recipe_that_is_none_is_refused(service, recipe):
    assert api(service, "GET", "/datasets/sales/head", params={"recipe": recipe}).status_code == 400
    body = {"name": "odd", "kind": "tabular", "sources": [{"store": "raw", "path": "sales.csv"}]}
    try:
        body["recipe"] = json.loads(recipe)
    except ValueError:
        return
    assert api(service, "POST", "/datasets", json=body).status_code == 400
