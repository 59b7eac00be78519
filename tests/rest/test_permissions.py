"""Every route, asked for by every kind of caller: who is let in follows from what the route declares."""

import pytest

from pipelinekit.domain.tokens import Kind, Permission, Principal, Role
from pipelinekit.rest import submissions, vitals
from pipelinekit.rest.app import NOUNS, OPEN, PREFIX
from pipelinekit.rest.routing import Route, needs_of

MODULES = {**dict.fromkeys(NOUNS, PREFIX), submissions: "", vitals: ""}
PLACES = ("run", "pipeline", "schedule", "token", "experiment", "digest", "output", "name", "other", "dataset",
          "datastore", "environment", "compute", "secret", "path", "webhook", "host", "draft", "delivery")  # fmt: skip
ROUTES = [
    (method, prefix + route.path.replace(":path}", "}"), route)
    for module, prefix in MODULES.items()
    for route in module.router.routes
    for method in sorted(route.methods)
]
STRANGERS = ("nobody", "mistyped", "unknown", "expired", "revoked")
KNOWN = {
    "reader": Principal("rita", Role.READER, Kind.USER, "", ""),
    "contributor": Principal("carl", Role.CONTRIBUTOR, Kind.USER, "", ""),
    "owner": Principal("anna", Role.OWNER, Kind.USER, "", ""),
    "trigger": Principal("train", Role.READER, Kind.TRIGGER, "retraining", ""),
    "other_trigger": Principal("bus", Role.READER, Kind.TRIGGER, "other", ""),
}


def names(route):
    return [f"{method} {path}" for method, path, _ in route]


def address(method, path, endpoint="retraining"):
    """The address of a route, for something that is there where that harms nobody else."""
    endpoint = (
        "nobody"
        if method == "DELETE" or path.endswith(("/archive", "/disable", "/enable", "/reactivate"))
        else endpoint
    )
    places = {"endpoint": endpoint, "subscription": "s", "group": "g", "workspace": "w", "version": "0", "before": "0"}
    filled = path.format_map({**dict.fromkeys(PLACES, "0000"), **places})
    return filled + ("?name=retraining" if path.endswith("/Name") else "")


def body(route):
    return {"ExperimentName": "e"} if "/PipelineRuns" in route.path and "POST" in route.methods else None


def asked(service, method, path, route, token):
    return service(method, address(method, path), token, json=body(route))


def test_the_routers_are_all_that_the_application_has(service):
    described = {
        (method.upper(), path)
        for path, operations in service.bare.openapi()["paths"].items()
        for method in operations
        if path not in OPEN
    }
    assert described == {(method, path) for method, path, _ in ROUTES}
    assert len(described) > 30


@pytest.mark.parametrize(("method", "path", "route"), ROUTES, ids=names(ROUTES))
def test_a_route_declares_exactly_one_permission(method, path, route):
    assert isinstance(route, Route)
    assert needs_of(route).permission in Permission


MORE_THAN_LOOKING = {
    "download": """export_run download_blob download_dataset_file download_datastore_file download_run_file download_run_output
        preview_dataset read_dataset_head show_dataset_value""",
    "call": "call_pipeline_endpoint",
    "submit": """change_pipeline_draft create_pipeline_draft delete_pipeline_draft submit_pipeline_draft
        add_run_properties archive_experiment build_environment plan_pipeline plan_pipeline_endpoint plan_upload call_pipeline cancel_run change_experiment
        clone_environment describe_run find_missing_blobs keep_run_file lock_environment lock_registered_environment
        make_experiment reactivate_experiment register_dataset register_environment repeat_run store_blob store_blobs
        store_datastore_file submit_run tag_run update_dataset""",
    "publish": """publish_pipeline_draft add_pipeline_endpoint_version archive_pipeline_endpoint backfill_schedule change_pipeline_endpoint
        create_pipeline_endpoint create_schedule delete_pipeline delete_pipeline_endpoint delete_schedule
        describe_pipeline disable_pipeline disable_pipeline_endpoint disable_schedule enable_pipeline
        enable_pipeline_endpoint enable_schedule publish_pipeline reactivate_pipeline_endpoint replace_schedule
        run_schedule_now create_webhook delete_webhook disable_webhook enable_webhook rotate_webhook_secret
        update_webhook redeliver_webhook
        test_webhook""",
    "administer": """check_workspace clean_up_workspace repair_workspace allow_webhook_host disallow_webhook_host attach_compute create_compute create_compute_instance create_token delete_compute delete_environment delete_experiment
        delete_secrets detach_compute invalidate_results limit_experiment list_secrets list_settings list_tokens pin_run
        register_datastore revoke_token rotate_secrets_key set_default_datastore set_secret show_audit_log show_token start_compute
        stop_compute unpin_run unregister_dataset unregister_datastore update_compute verify_audit_log""",
}


def test_what_takes_more_than_looking_is_written_down():
    """The other tests go by what routes declare; this one by what was decided."""
    found = {}
    for module in NOUNS:
        for route in module.router.routes:
            if (permission := needs_of(route).permission.value) != "view":
                found.setdefault(permission, set()).add(route.operation_id)
            else:
                assert route.methods == {"GET"}, route.path
    for permission, operations in MORE_THAN_LOOKING.items():
        assert set(operations.split()) <= found[permission], permission
    known = {name for operations in MORE_THAN_LOOKING.values() for name in operations.split()}
    assert {name for operations in found.values() for name in operations} - known == set()


def test_a_route_without_a_permission_cannot_be_made():
    with pytest.raises(TypeError, match="declares 0 permissions"):
        Route("/open", lambda: None)


@pytest.mark.parametrize(("method", "path", "route"), ROUTES, ids=names(ROUTES))
def test_who_is_not_known_is_refused_whatever_the_request(service, tokens, method, path, route):
    for stranger in STRANGERS:
        token = "" if stranger == "nobody" else getattr(tokens, stranger)
        media = "octet-stream" if method != "GET" and path.endswith(("/blobs", "/blobs/{digest}")) else "json"
        for sent in ({}, {"content": b"{", "headers": {"content-type": f"application/{media}"}}):
            answer = service(method, address(method, path), token, **sent)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), stranger
            assert answer.json()["type"] == "pipelinekit:unauthenticated"


@pytest.mark.parametrize(("method", "path", "route"), ROUTES, ids=names(ROUTES))
def test_who_is_known_is_let_in_as_the_permission_says(service, tokens, method, path, route):
    permission = needs_of(route).permission
    for name, principal in KNOWN.items():
        called = "" if "nobody" in address(method, path) else "retraining"
        answer = asked(service, method, path, route, getattr(tokens, name))
        if principal.permits(permission, called):
            assert answer.status_code not in (401, 403), (name, answer.text)
            assert answer.status_code < 500, (name, answer.text)
        else:
            assert answer.status_code == 403, (name, answer.text)
            assert answer.json()["hint"]


def test_a_trigger_is_not_told_which_other_endpoints_there_are(service, tokens):
    path = "/api/v1/pipeline-endpoints/{}/runs"
    there = service("POST", path.format("retraining"), tokens.other_trigger)
    nowhere = service("POST", path.format("nothing"), tokens.other_trigger)
    assert there.status_code == nowhere.status_code == 403
    assert service("POST", path.format("other"), tokens.other_trigger).status_code == 202


def test_a_refusal_is_told_before_what_is_wrong_with_the_body(service, tokens):
    sent = {"content": b"{", "headers": {"content-type": "application/json"}}
    assert service("POST", "/api/v1/tokens", tokens.reader, **sent).status_code == 403
    assert service("POST", "/api/v1/tokens", **sent).status_code == 400


def test_a_refusal_is_in_the_audit_log(service, tokens):
    service("GET", "/api/v1/tokens", tokens.reader)
    row = service("GET", "/api/v1/tokens/audit/log?limit=1").json()["rows"][0]
    assert (row["actor"], row["action"], row["outcome"]) == ("rita", "GET /api/v1/tokens", "refused")


def test_what_anybody_may_ask_for_tells_nothing_of_the_workspace(service):
    for path in ("/health", "/ready", "/openapi.json"):
        answer = service("GET", path, "")
        assert answer.status_code == 200
        assert "retraining" not in answer.text
        assert str(service.home) not in answer.text


def test_reading_changes_nothing(service):
    before = service.services().database.read("all_events", ())
    rows = len(service("GET", "/api/v1/tokens/audit/log?limit=500").json()["rows"])
    for method, path, _ in ROUTES:
        if method == "GET":
            service(method, address(method, path))
    assert service.services().database.read("all_events", ()) == before
    assert len(service("GET", "/api/v1/tokens/audit/log?limit=500").json()["rows"]) == rows


def test_a_trigger_may_not_have_its_runs_pass_others_by(service, tokens):
    def called(token, priority):
        path = "/api/v1/pipeline-endpoints/retraining/runs"
        return service("POST", path, token, json={"priority": priority, "max_queue_seconds": 60.0})

    assert called(tokens.trigger, 1).status_code == 403
    assert called(tokens.trigger, 0).status_code == called(tokens.trigger, -1).status_code == 202
    made = called(tokens.contributor, 1)
    assert made.status_code == 202, made.text
    run = service("GET", f"/api/v1/runs/{made.json()['id']}").json()
    assert (run["priority"], run["max_queue_seconds"]) == (1, 60.0)
    assert called(tokens.contributor, 1001).status_code == 400
