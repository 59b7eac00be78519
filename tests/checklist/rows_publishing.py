"""The checklist about published pipelines and their endpoints: each row proven and reached, or decided."""

from checklist.checking import Row

PUBLISHED = "15. Published pipelines and pipeline endpoints"
_FLOW = "e2e/test_publishing.py::"
_BOTH = "e2e/test_connected.py::"
GONE = _FLOW + "test_a_published_pipeline_runs_with_its_source_gone"
AS_PUBLISHED = _FLOW + "test_what_a_call_does_not_give_is_as_it_was_published"
VERSIONS = _FLOW + "test_versions_only_grow_and_calls_mean_the_default"
PINNED = _FLOW + "test_the_version_that_was_called_is_pinned_on_the_run"
DISABLED = _FLOW + "test_what_is_disabled_refuses_calls"
ARCHIVED = _FLOW + "test_an_archived_endpoint_gives_its_name_free"
KEPT = _FLOW + "test_what_an_endpoint_has_is_not_deleted"
PYTHON = _FLOW + "test_authors_publish_in_python"
OF_RUN = _FLOW + "test_a_run_is_published_with_the_values_that_it_had"
_DRAFTS = "e2e/test_drafts.py::"
DRAFTED = _DRAFTS + "test_a_draft_of_a_file_is_completed_and_runs_with_its_source_gone"
COPIED = _DRAFTS + "test_a_draft_is_a_copy_of_a_run_a_published_pipeline_a_version_or_a_draft"
DRAFT_PUBLISHED = _DRAFTS + "test_a_draft_is_published_and_stays_a_draft"
DRAFTS_AT_SERVERS = _BOTH + "test_drafts_are_made_changed_submitted_published_and_deleted"
CALLED = _BOTH + "test_a_call_runs_the_default_version"
CHANGED = _BOTH + "test_endpoints_are_made_changed_and_taken_away"

ROWS = [
    Row(
        PUBLISHED,
        "Publish: name, description, free version text, continue-on-failure; graph, code and defaults stay as they are",
        (GONE, AS_PUBLISHED, PYTHON),
        ("publish FILE --name NAME --description TEXT --version TEXT --continue-on-step-failure",),
    ),
    Row(PUBLISHED, "A finished run is published", (OF_RUN,), ("publish run:ID",)),
    Row(
        PUBLISHED,
        "Enable and disable; a disabled one cannot be submitted; lists show active ones only",
        (DISABLED,),
        ("pipelines enable ID", "pipelines disable ID", "pipelines list --all"),
    ),
    Row(PUBLISHED, "Delete, with a guard", (KEPT,), ("pipelines delete ID", "pipeline-endpoints delete NAME")),
    Row(
        PUBLISHED,
        "Submit: experiment, parameters, continue-on-failure",
        (CALLED, VERSIONS),
        (
            "pipelines submit ID --experiment NAME -p NAME=VALUE",
            "pipeline-endpoints submit NAME --continue-on-step-failure",
        ),
        "A run of a published pipeline has no parent run: children are made by the code of steps, and a pipeline that is "
        "part of another is called inside of it.",
    ),
    Row(
        PUBLISHED,
        "Endpoint create: a unique name; a plain pipeline is published on the way",
        (CHANGED, PYTHON),
        ("pipeline-endpoints create NAME ID", "publish FILE --endpoint NAME"),
    ),
    Row(
        PUBLISHED,
        "Versions: the highest and one; the same published pipeline twice is refused",
        (VERSIONS, CHANGED),
        ("pipeline-endpoints add-version NAME ID",),
        "Versions are numbers, not texts, and begin with 0.",
    ),
    Row(
        PUBLISHED,
        "Default version: the first; set by number, or with the version that is added",
        (VERSIONS,),
        ("pipeline-endpoints set-default NAME 1", "publish FILE --endpoint NAME --default"),
    ),
    Row(
        PUBLISHED,
        "Call: the default unless a version is named; unknown versions and inactive endpoints are refused",
        (VERSIONS, DISABLED, PINNED),
        ("pipeline-endpoints submit NAME --version 1",),
    ),
    Row(
        PUBLISHED,
        "Listing: versions, endpoints, runs",
        (VERSIONS, PINNED),
        ("pipeline-endpoints list --all", "pipeline-endpoints show NAME", "pipeline-endpoints runs NAME --version 1"),
    ),
    Row(
        PUBLISHED,
        "Archive frees the name; reactivate needs one",
        (ARCHIVED,),
        ("pipeline-endpoints archive NAME", "pipeline-endpoints reactivate ID --name NAME"),
    ),
    Row(
        PUBLISHED,
        "Properties, tags, dates",
        (PINNED, CHANGED),
        ("pipelines show ID", "pipeline-endpoints update NAME --tag KEY=VALUE --description TEXT"),
    ),
    Row(
        PUBLISHED,
        "Draft: a copy of a pipeline, a published one, a version, a run or a draft that may change; clone, delete",
        (DRAFTED, COPIED, DRAFTS_AT_SERVERS),
        (
            "pipeline-drafts create FILE --name NAME --tag KEY=VALUE",
            "pipeline-drafts create endpoint:NAME@1",
            "pipeline-drafts list --name NAME",
            "pipeline-drafts clone ID --name NAME",
            "pipeline-drafts delete ID",
        ),
    ),
    Row(
        PUBLISHED,
        "Draft: edit, submit, publish; remembers its ancestor and its last run",
        (DRAFTED, DRAFT_PUBLISHED, DRAFTS_AT_SERVERS),
        (
            "pipeline-drafts update ID -p NAME=VALUE --experiment NAME --continue-on-step-failure --version 1",
            "pipeline-drafts submit ID",
            "pipeline-drafts publish ID --endpoint NAME --default",
            "pipeline-drafts show ID",
            "pipeline-drafts runs ID",
        ),
        "Steps are not edited: who changes code makes a draft of the file again.",
    ),
]
