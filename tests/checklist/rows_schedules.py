"""The checklist about schedules: each row proven and reached, or decided."""

from checklist.checking import Row

SCHEDULES = "Schedules"
_FLOW = "e2e/test_schedules.py::"
_RULES = "engine/test_recurrence.py::"
_MADE = "workspace/test_schedules.py::"
_WATCHED = "runtime/test_watching.py::"
_TICKER = "runtime/test_ticker.py::"
_WATCH = "schedules create NAME --endpoint NAME --experiment NAME "
_CREATE = f"{_WATCH}--every hour "
DEFAULT_VERSION = _FLOW + "test_the_default_version_at_firing_is_what_runs"
FIXED = _FLOW + "test_a_published_pipeline_is_run_by_its_id"
TOLD = _FLOW + "test_all_that_is_wrong_with_target_and_parameters_is_told_at_once"
TOGETHER = _FLOW + "test_words_that_do_not_go_together_are_refused"
OFTEN = _FLOW + "test_every_minute_of_an_hour_has_its_run_and_each_run_its_minute"
DISABLED = _FLOW + "test_what_is_disabled_comes_due_no_more_and_what_passed_is_void"
FILLED = _FLOW + "test_templates_are_filled_in_and_read_by_the_types_of_the_pipeline"
EACH_FILE = _FLOW + "test_each_file_has_its_run"
FOLDER = _FLOW + "test_a_change_of_a_folder_datastore_starts_one_run_with_its_files"
DATASET = _FLOW + "test_a_new_version_of_a_dataset_is_what_the_run_takes"
SKIPPED = _FLOW + "test_while_a_run_is_open_the_next_is_skipped"
CANCELED = _FLOW + "test_cancel_other_asks_the_open_run_to_end_and_then_starts"
KEPT = _FLOW + "test_what_a_schedule_runs_is_not_taken_from_it"
FILE = _FLOW + "test_a_schedule_is_written_to_a_file_changed_there_and_loaded_again"
OVER_HTTP = _FLOW + "test_schedules_over_http"
EXTRA = _FLOW + "test_run_now_and_a_backfill_start_runs_of_their_own"
FAILED = _FLOW + "test_a_failed_run_is_told_of_once"
POLICIES = _TICKER + "test_while_a_run_is_open_the_policy_says_what_becomes_of_the_next"
CAUGHT_UP = _TICKER + "test_all_are_made_up_to_a_bound_and_within_a_time"
LATEST = _TICKER + "test_after_three_weeks_the_latest_instant_stands_for_all"

ROWS = [
    Row(
        SCHEDULES,
        "Targets: a published pipeline, or an endpoint, whose default version at each firing is run",
        (DEFAULT_VERSION, FIXED),
        (
            "schedules create NAME --cron '0 6 * * *' --endpoint NAME --experiment NAME",
            "schedules create NAME --cron '0 6 * * *' --pipeline ID --experiment NAME",
        ),
    ),
    Row(
        SCHEDULES,
        "Kinds: at times, or when data changes; what belongs to one is refused for the other",
        (TOGETHER, FOLDER, _MADE + "test_all_that_is_wrong_is_told_at_once"),
        (
            "schedules create NAME --every day --at 09:30 --endpoint NAME --experiment NAME",
            "schedules create NAME --watch datastore:NAME/PATH --into NAME --endpoint NAME --experiment NAME",
        ),
        "The kind of a schedule may be changed: that makes a new version of it, and what came due before is accounted for.",
    ),
    Row(
        SCHEDULES,
        "Create: name, target, experiment, parameters, description, continue-on-failure; all faults at once",
        (TOLD, _MADE + "test_a_schedule_is_made_found_and_listed", OVER_HTTP),
        (_CREATE + "-p NAME=VALUE --description TEXT --continue-on-step-failure",),
        "Nothing is provisioned: a schedule is there in the moment in which it is made, so there is nothing to wait for.",
    ),
    Row(
        SCHEDULES,
        "State: active or disabled; enable, disable, update",
        (DISABLED, _MADE + "test_a_change_makes_a_new_version_if_it_says_something_new"),
        ("schedules enable NAME --replay", "schedules disable NAME", "schedules load FILE --replace"),
    ),
    Row(
        SCHEDULES,
        "Delete",
        (_TICKER + "test_a_deleted_schedule_ends_with_everything_accounted_for_and_its_runs_go_on",),
        ("schedules delete NAME", "schedules list --deleted"),
    ),
    Row(
        SCHEDULES,
        "Recurrence: minutes, hours, days, weeks, months; hours, minutes, week days, a time of day; the rest is refused",
        (
            _RULES + "test_recurrences_are_counted_from_the_start",
            _RULES + "test_all_that_is_wrong_is_told_at_once",
            _MADE + "test_a_recurrence_may_be_given_with_lists",
            OFTEN,
        ),
        ("schedules create NAME --every week --on Monday,Friday --at 09:30 --endpoint NAME --experiment NAME",),
    ),
    Row(
        SCHEDULES,
        "Cron expressions",
        (
            _RULES + "test_any_zone_and_any_rule_agree_with_the_oracle",
            _RULES + "test_what_is_no_expression_is_refused",
            _RULES + "test_what_would_never_fire_is_refused",
        ),
        ("schedules create NAME --cron '30 6 * * 1-5' --endpoint NAME --experiment NAME",),
    ),
    Row(
        SCHEDULES,
        "Start: none fires at once, one in the past makes nothing up, one in the future begins then; an end",
        (
            _TICKER + "test_a_plain_recurrence_begins_at_once",
            _RULES + "test_a_plain_recurrence_begins_with_its_making_and_nothing_else_is_made_up",
            _RULES + "test_a_start_and_an_end_bound_what_is_due",
        ),
        (_CREATE + "--start 2026-01-01T09:30 --end 2026-12-31",),
    ),
    Row(
        SCHEDULES,
        "Time zones by name; changes of clocks; a start with a zone of its own is refused",
        (
            _RULES + "test_the_timetable_is_what_an_oracle_tells_minute_by_minute",
            _RULES + "test_days_keep_their_time_of_day_when_clocks_change",
            _MADE + "test_start_and_end_are_what_clocks_of_the_zone_show",
        ),
        (
            "schedules create NAME --every day --at 02:30 --zone Europe/Berlin --endpoint NAME --experiment NAME",
            "schedules preview NAME --count 3",
        ),
    ),
    Row(
        SCHEDULES,
        "Parameters know the time that is due, its date, and the previous success",
        (FILLED, _TICKER + "test_parameters_are_filled_in_with_the_instant_and_the_previous_success"),
        ("schedules create NAME --every day --endpoint NAME --experiment NAME -p day={{due_date}}",),
    ),
    Row(
        SCHEDULES,
        "When data changes: polled; a folder or a dataset; one run, or one for each file, which it gets as a parameter",
        (
            FOLDER,
            EACH_FILE,
            DATASET,
            _FLOW + "test_a_run_that_waited_reads_what_its_schedule_saw",
            _WATCHED + "test_data_is_looked_at_no_oftener_than_was_said",
        ),
        (
            _WATCH + "--watch datastore:NAME/PATH --into NAME --each-file --poll 1m --settle 10s",
            "schedules create NAME --watch dataset:NAME --into NAME --endpoint NAME --experiment NAME",
        ),
        "Folders below the path count as well: whoever wants less names a path further down.",
    ),
    Row(
        SCHEDULES,
        "Runs say which schedule they are of and for which time; the runs of a schedule, and the last",
        (OFTEN, EXTRA),
        ("schedules history NAME --limit 1", "runs list --property schedule=ID"),
    ),
    Row(
        SCHEDULES,
        "Overlap: skip, queue one or all, cancel the open run, allow",
        (SKIPPED, CANCELED, POLICIES),
        ("schedules create NAME --every hour --overlap queue_one --endpoint NAME --experiment NAME",),
    ),
    Row(
        SCHEDULES,
        "Times that passed while nobody looked: the latest, all to a bound, or none is made up",
        (LATEST, CAUGHT_UP),
        ("schedules create NAME --every hour --catch-up all --endpoint NAME --experiment NAME",),
    ),
    Row(
        SCHEDULES,
        "A run at once; runs for the past",
        (EXTRA, _TICKER + "test_a_backfill_starts_what_is_missing_few_at_a_time"),
        ("schedules run-now NAME", "schedules backfill NAME 2026-01-01 2026-01-31 --at-once 2"),
    ),
    Row(
        SCHEDULES,
        "Somebody is told of failed runs",
        (FAILED,),
        ("schedules create NAME --every day --notify ops --endpoint NAME --experiment NAME",),
    ),
    Row(
        SCHEDULES,
        "What an enabled schedule runs cannot be disabled, archived or deleted",
        (KEPT,),
        ("schedules disable NAME", "pipelines disable ID"),
    ),
    Row(
        SCHEDULES,
        "List: active ones, those of a pipeline, those of an endpoint",
        (_MADE + "test_a_schedule_is_made_found_and_listed",),
        ("schedules list --active --endpoint NAME", "schedules list --pipeline ID", "schedules show NAME"),
    ),
    Row(
        SCHEDULES,
        "A schedule in a file",
        (FILE, "wire/test_schedules.py::test_a_file_is_read_as_people_mean_it"),
        ("schedules load FILE --replace",),
    ),
]
