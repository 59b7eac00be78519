"""The checklist about workspaces, experiments, runs, metrics and script runs: each row proven and reached, or decided."""

from checklist.checking import Row

WORKSPACE, EXPERIMENTS, RUNS, METRICS, SCRIPTS = (
    "1. Workspace",
    "7. Experiments",
    "8. Runs and child runs",
    "9. Logging and metrics",
    "10. Run configuration and script run",
)
_PLACE = "checklist/test_runs_workspace.py::"
_FLOW = "checklist/test_runs_flow.py::"
_METRICS = "checklist/test_runs_metrics.py::"
_SCRIPTS = "checklist/test_runs_scripts.py::"
CREATED = _PLACE + "test_a_workspace_is_created_found_from_below_and_deleted"
COLLECTIONS = _PLACE + "test_collections_by_name_stores_secrets_and_care"
MADE = _FLOW + "test_experiments_are_made_tagged_archived_and_listed"
FILTERED = _FLOW + "test_runs_are_filtered_sorted_and_paged"
TOLD = _FLOW + "test_a_run_tells_everything_about_itself"
CHILDREN = _FLOW + "test_children_files_logs_and_snapshot"
INTERACTIVE = _FLOW + "test_interactive_runs_succeed_fail_and_keep_a_snapshot"
WAITED = _FLOW + "test_waiting_canceling_and_the_longest_duration"
OFFLINE = _FLOW + "test_outside_of_runs_nothing_is_kept_unless_that_is_refused"
LOGGED = _METRICS + "test_metrics_are_logged_and_read_as_they_were"
REFUSED = _METRICS + "test_what_does_not_fit_is_refused_with_advice"
AGAIN = _METRICS + "test_what_is_told_to_the_run_is_told_again_when_the_step_is_reused"
SAVED = _SCRIPTS + "test_a_script_runs_is_saved_and_runs_again_from_its_file"
DEFAULTS = _SCRIPTS + "test_a_command_needs_no_script_and_defaults_are_plain"
EXCLUSIVE = _SCRIPTS + "test_what_does_not_go_together_is_refused"

_NO_MLFLOW = (
    "MLflow's client is a large dependency that speaks to a server of its own kind; there is no server yet, and the "
    "calls of a run's context say the same in as many lines."
)

ROWS = [
    # -- 1 ------------------------------------------------------------------------------------------------------------
    Row(
        WORKSPACE,
        "rule for names",
        instead="A workspace is a folder and is named by its path: nothing lists workspaces, so no name could clash.",
    ),
    Row(
        WORKSPACE,
        "create, get, list, update, delete",
        (CREATED,),
        ("workspace create somewhere --exist-ok", "workspace show", "workspace delete --yes"),
        "There is no list and no description to change: a workspace is a folder, which lies where its owner put it.",
    ),
    Row(
        WORKSPACE,
        "configuration file, found upward from the current folder",
        (CREATED,),
        ("workspace show", "settings"),
        "The folder .pipelinekit and its config.toml are that file; older names of it never existed here.",
    ),
    Row(
        WORKSPACE,
        "collections by name, and a run without its experiment",
        (COLLECTIONS, CREATED),
        ("runs show latest", "experiments list", "datasets list", "datastores list", "environments list"),
    ),
    Row(
        WORKSPACE,
        "resources that belong to it, made when they are needed, and their care",
        (COLLECTIONS,),
        ("workspace show", "workspace move --blobs s3://bucket", "fsck", "gc --dry-run"),
        "Records, blobs, keys and environments lie in its folder or where settings say, so there are no storage keys "
        "of a cloud to be kept in step.",
    ),
    Row(
        WORKSPACE,
        "default datastore",
        (COLLECTIONS,),
        ("datastores set-default shelf",),
        "Outputs need none: they go to the content-addressed store, where reuse finds them.",
    ),
    Row(
        WORKSPACE,
        "secrets: set, delete, names only, several at once with all that are missing",
        (COLLECTIONS,),
        ("secrets set TOKEN", "secrets list", "secrets delete TOKEN"),
        "Values are write-only: steps read them, and nothing else does.",
    ),
    Row(WORKSPACE, "tracking address for MLflow", instead=_NO_MLFLOW),
    Row(
        WORKSPACE,
        "sharing by roles",
        instead="Roles come with the server whose callers have them; until then whoever may read and write the folder "
        "and the database uses the workspace.",
    ),
    # -- 7 ------------------------------------------------------------------------------------------------------------
    Row(
        EXPERIMENTS,
        "rule for names; made by the first run",
        (MADE,),
        ("run main.py --experiment trials", "experiments show trials"),
    ),
    Row(
        EXPERIMENTS,
        "submit what there is to submit, with tags and parameters; the run at once",
        (MADE, SAVED),
        ("run main.py --experiment trials --tag team=a --name first -p n=1", "run train.json --experiment trials"),
        "Published pipelines and sweeps join pipelines and script runs when they are built.",
    ),
    Row(
        EXPERIMENTS,
        "interactive run with a snapshot",
        (INTERACTIVE,),
        ("runs list --kind interactive", "runs logs latest", "snapshots show latest"),
        "It begins in the process that logs to it, which the command line has none of; what it leaves is reached.",
    ),
    Row(
        EXPERIMENTS,
        "archive, reactivate, delete when empty",
        (MADE, FILTERED),
        ("experiments archive trials", "experiments reactivate trials", "experiments delete trials"),
        "A new run brings an archived experiment back instead of making a second one of the same name.",
    ),
    Row(
        EXPERIMENTS,
        "lists by view and tags; runs by kind, tags, properties, status, children",
        (MADE, FILTERED),
        (
            "experiments list --archived --tag kind=toy",
            "runs list --kind child --tag a=b --property seed=7 --status Failed --children",
            "runs list --where metric.loss<0.3 --where param.model=tree --sort metric.loss --since 7d --after latest",
        ),
    ),
    # -- 8 ------------------------------------------------------------------------------------------------------------
    Row(
        RUNS,
        "statuses, the last ones final",
        (TOLD, WAITED, INTERACTIVE),
        ("runs show latest", "runs list --status Canceled"),
        "Preparing and finalizing are told as phases, which last; nothing provisions, pauses or approves a run.",
    ),
    Row(
        RUNS,
        "order of statuses, and time by phase",
        (
            TOLD,
            "domain/test_durations.py::test_a_step_waits_is_prepared_and_runs",
            "e2e/test_crashes.py::test_whoever_waits_in_python_has_the_run_go_on_when_its_driver_died",
        ),
        ("runs show latest",),
        "A run whose heartbeats stay out fails when its driver is known to be dead, so that it can be resumed.",
    ),
    Row(RUNS, "everything that a run was made of and how it ended", (TOLD, WAITED), ("runs show latest",)),
    Row(
        RUNS,
        "status in words",
        (TOLD, WAITED, "domain/test_durations.py::test_how_a_run_stands_in_words"),
        ("runs show latest", "runs wait latest"),
    ),
    Row(
        RUNS,
        "wait with output, and an error that holds the failure",
        (WAITED,),
        ("runs wait latest --show-output --timeout 60", "runs logs latest --follow"),
    ),
    Row(RUNS, "cancel, fail, complete; an exception fails a run", (WAITED, INTERACTIVE), ("runs cancel latest",)),
    Row(
        RUNS,
        "child runs: one, many, nested, listed with conditions, their parent",
        (CHILDREN, OFFLINE),
        ("runs children latest --direct --status Completed --tag fold=1", "runs list --kind child"),
        "A submitted child is a pipeline that a pipeline calls: its steps are in the one graph, keyed and reused.",
    ),
    Row(
        RUNS,
        "tags that change, properties that stay, and their limits",
        (TOLD,),
        ("runs tag latest --set a=b --remove c", "runs show latest"),
    ),
    Row(
        RUNS,
        "id, name for people, description, number in the experiment",
        (TOLD, MADE),
        ("runs describe latest --name best --description words",),
    ),
    Row(
        RUNS,
        "context inside a step; outside one that keeps nothing, or an error",
        (OFFLINE, CHILDREN),
        ("runs metrics latest", "runs children latest"),
    ),
    Row(
        RUNS,
        "files: uploaded, listed, downloaded by prefix",
        (CHILDREN,),
        ("runs upload latest report.txt --name reports/one.txt", "runs files latest --prefix reports/ --save here"),
        "No folder is uploaded by its name: outputs are declared, since only what is declared can be reused.",
    ),
    Row(
        RUNS,
        "logs of steps and of child runs, as they appear and after",
        (CHILDREN, INTERACTIVE, WAITED),
        ("runs logs latest", "runs logs latest train --follow"),
    ),
    Row(
        RUNS,
        "register a model from a run",
        instead="Models are a capability of their own, not built yet; until then outputs become dataset versions.",
    ),
    Row(
        RUNS,
        "snapshot of the source, as a zip file too",
        (CHILDREN, INTERACTIVE),
        ("snapshots show latest", "snapshots download latest -o code.zip", "runs reproduce latest"),
    ),
    Row(
        RUNS,
        "metrics read as a value, a list, or by run",
        (LOGGED, CHILDREN),
        ("runs metrics latest --name loss", "runs compare latest other --plot curves.png"),
    ),
    Row(
        RUNS,
        "longest duration, then canceled",
        (WAITED, SAVED),
        ("run main.py --max-duration 2h",),
        "Without one a run may take as long as it takes: nobody rents the machine by the hour.",
    ),
    # -- 9 ------------------------------------------------------------------------------------------------------------
    Row(METRICS, "one value, with a step or without; lists are refused", (LOGGED, REFUSED), ("runs metrics latest",)),
    Row(METRICS, "a list of values", (LOGGED, REFUSED), ("runs metrics latest --name curve",)),
    Row(METRICS, "a row of named columns", (LOGGED, REFUSED), ("runs metrics latest --name table",)),
    Row(METRICS, "a table of columns", (LOGGED, REFUSED), ("runs metrics latest --name table",)),
    Row(METRICS, "an image from a path or a figure", (LOGGED, REFUSED), ("runs files latest --prefix images/",)),
    Row(METRICS, "a confusion matrix", (LOGGED, REFUSED), ("runs metrics latest --name matrix",)),
    Row(
        METRICS,
        "accuracy tables, residuals, predictions",
        (LOGGED, REFUSED),
        ("runs metrics latest --name residuals",),
    ),
    Row(
        METRICS,
        "delivered in batches, in order, and flushed",
        (LOGGED, "e2e/test_run_context.py::test_a_killed_step_keeps_what_it_told_and_its_children_have_failed"),
        ("runs metrics latest",),
    ),
    Row(
        METRICS,
        "limits of names, columns and texts",
        (REFUSED,),
        ("runs metrics latest",),
        "Names of metrics and rows are not counted: points lie in chunks, so that a million is no trouble.",
    ),
    Row(METRICS, "calls of MLflow in the same run", instead=_NO_MLFLOW),
    Row(
        METRICS,
        "told to the run, and again when the step is reused",
        (AGAIN,),
        ("runs metrics latest", "runs list --sort metric.score"),
    ),
    # -- 10 -----------------------------------------------------------------------------------------------------------
    Row(
        SCRIPTS,
        "script with arguments or a command, where it runs and in what, how long; again from where it stopped",
        (SAVED, DEFAULTS, EXCLUSIVE),
        ("run train.json", "runs resume latest"),
        "There is one object instead of two, so that nothing given is ever ignored; images are part of environments.",
    ),
    Row(
        SCRIPTS,
        "defaults",
        (DEFAULTS,),
        ("run train.json", "settings"),
        "There are no frameworks, nodes or watched folders to choose: outputs are declared, and logs are the output.",
    ),
    Row(
        SCRIPTS,
        "distribution over processes and nodes",
        instead="One step is the processes of one machine, and a launcher such as torchrun is the command of a script "
        "run; many machines share a run by steps, which Dask places, not by ranks.",
    ),
    Row(
        SCRIPTS,
        "saved to a file, loaded, and run by the command line",
        (SAVED,),
        ("run train.json",),
        "It is one JSON file where the author puts it, removed like any file, with the environment inside.",
    ),
    Row(
        SCRIPTS,
        "environment variables, and services beside the script",
        (SAVED,),
        ("run train.json", "environments register strict --package numpy --variable MODE=strict"),
        "Services such as notebooks belong to machines that one logs in to; steps are processes without ports.",
    ),
]
