"""Faults and attacks that a workspace meets which others reach over a network and which starts runs by itself.

Those of disks, stores, records, archives and names are in `tests/faults/checklist.py`.
"""

from checklist.checking import Promise

_DEATHS = "e2e/test_serving_deaths.py::"
_TROUBLES = "e2e/test_serving_troubles.py::"
_HTTP = "e2e/test_http.py::"
_LINES = "rest/test_connections.py::"
_ASKED = "rest/test_requests.py::"
_HOSTILE = "rest/test_hostile.py::"
_ALLOWED = "rest/test_permissions.py::"
_TICKER = "runtime/test_ticker.py::"
_LAWS = "runtime/test_ticker_laws.py::"
_WATCHED = "runtime/test_watching.py::"
_RULES = "engine/test_recurrence.py::"
_SCHEDULES = "e2e/test_schedules.py::"
_TOKENS = "workspace/test_tokens.py::"
_SECRETS = "e2e/test_secrets.py::"
DIES_ANYWHERE = _DEATHS + "test_whatever_a_server_dies_at_every_call_and_every_instant_has_its_one_run"
DIES_ONCE = _DEATHS + "test_so_it_is_when_it_dies_at_one_of_them_only"

FAULTS = [
    # -- calls and schedules -------------------------------------------------------------------------------------------
    Promise(
        "A request is sent twice: by a client that tries again, a double click, two servers",
        "One key is one run and one answer, whatever server is asked and whichever died; another request with it is refused.",
        (
            _HTTP + "test_one_key_sent_fifty_times_at_once_calls_once",
            _HTTP + "test_a_key_belongs_to_one_request",
            _HTTP + "test_two_servers_on_one_postgres_share_calls_and_keys",
            _HTTP + "test_a_killed_server_loses_no_call_and_doubles_none",
            _LAWS + "test_two_tickers_fire_each_instant_exactly_once",
            DIES_ANYWHERE,
            DIES_ONCE,
        ),
    ),
    Promise(
        "The server dies: at any commit, while somebody publishes, while somebody waits, on the way to a cluster",
        "Every call and every instant has its one run, what was published is whole or not there, and checks find nothing.",
        (
            DIES_ANYWHERE,
            DIES_ONCE,
            _DEATHS + "test_who_dies_while_he_publishes_has_published_all_or_nothing",
            _TROUBLES + "test_a_server_that_is_killed_while_somebody_waits_has_made_one_run",
            "e2e/test_whole_way.py::test_from_publishing_to_a_schedule_on_a_cluster_with_a_server_that_is_killed",
        ),
    ),
    Promise(
        "The clock is set back by an hour or a day",
        "No instant comes due again, leases do not notice, nobody waits for what was promised by the later clock.",
        (
            _TICKER + "test_a_clock_that_is_set_back_makes_nothing_due_again",
            "storage/test_leases.py::test_this_process_is_alive_until_its_lease_ends",
            "storage/test_leases.py::test_of_a_machine_that_shares_a_server_only_the_servers_clock_counts",
            "domain/test_limits.py::test_a_clock_that_goes_backward_fills_nothing_and_keeps_nobody_out",
        ),
    ),
    Promise(
        "The clock jumps ahead by a day or a year, and is set back after that",
        "The jump is doubted for a minute; what it made due is bounded; no disposition is taken back, and that is told.",
        (
            _TICKER + "test_a_clock_that_jumps_ahead_is_doubted_until_it_stays_so",
            _TICKER + "test_very_many_instants_are_left_out_in_parts",
            _TICKER
            + "test_a_schedule_that_was_looked_at_by_a_clock_far_ahead_says_so_and_begins_anew_when_it_is_made_again",
        ),
    ),
    Promise(
        "Clocks of a zone jump or repeat an hour, a year has a 29 February, a month no 31st",
        "The timetable is what an oracle tells that looks at every minute, for all zones and all changes of their clocks.",
        (
            _RULES + "test_the_timetable_is_what_an_oracle_tells_minute_by_minute",
            _RULES + "test_so_it_is_for_all_zones_and_all_changes_of_their_clocks",
            _RULES + "test_any_zone_and_any_rule_agree_with_the_oracle",
            _RULES + "test_a_day_that_a_month_has_not_is_its_last_or_left_out",
        ),
    ),
    Promise(
        "Nobody saw to the schedules for three weeks",
        "The latest instant stands for all, or as many are made up as the policy says, and not in one storm.",
        (
            _TICKER + "test_after_three_weeks_the_latest_instant_stands_for_all",
            _TICKER + "test_all_are_made_up_to_a_bound_and_within_a_time",
            _TICKER + "test_what_has_piled_up_does_not_start_in_one_storm",
        ),
    ),
    Promise(
        "A schedule is changed, paused or deleted while instants wait",
        "What has not started is void with its reason, in any order of events, and a pause is made up only if that is asked.",
        (
            _LAWS + "test_whatever_is_changed_meanwhile_no_instant_is_lost_doubled_or_fired_after_it_was_void",
            _TICKER + "test_what_waits_is_void_when_the_schedule_is_paused_and_a_pause_is_not_made_up",
            _TICKER + "test_a_deleted_schedule_ends_with_everything_accounted_for_and_its_runs_go_on",
        ),
    ),
    Promise(
        "A run takes longer than its schedule's period, and two servers look",
        "The policy holds: where runs are not to be open beside each other, two never are.",
        (
            _LAWS + "test_two_tickers_fire_each_instant_exactly_once",
            _TICKER + "test_while_a_run_is_open_the_policy_says_what_becomes_of_the_next",
            _SCHEDULES + "test_two_servers_make_one_run_of_each_instant",
        ),
    ),
    Promise(
        "Data changes in bursts, in place, in folders below, back to what it was; the ticker dies in between",
        "One run for what has settled, which reads exactly what was seen; the same content again is no change.",
        (
            _WATCHED + "test_a_change_is_told_when_and_only_when_something_other_than_before_has_stood_still",
            _WATCHED + "test_a_change_starts_its_runs_once_whatever_effect_a_ticker_died_at",
            _WATCHED + "test_what_is_put_there_again_is_no_change_but_what_comes_back_after_another_is",
            _SCHEDULES + "test_a_run_that_waited_reads_what_its_schedule_saw",
        ),
    ),
    # -- load and outages ----------------------------------------------------------------------------------------------
    Promise(
        "Clients are slow or silent, send very much, or do not read what they asked for",
        "Heads, bodies and readers have a time, sizes a bound, streams a number; the connection ends, memory stays flat.",
        (
            _LINES + "test_who_says_nothing_is_not_waited_for",
            _LINES + "test_a_head_that_comes_byte_by_byte_is_not_waited_for",
            _LINES + "test_nor_is_a_second_one_on_a_connection_that_was_good",
            _LINES + "test_a_body_that_nobody_reads_is_not_waited_for",
            _LINES + "test_who_does_not_read_answers_loses_the_connection_and_costs_no_more_memory",
            _LINES + "test_who_does_not_read_a_stream_loses_it",
            _LINES + "test_a_large_head_is_refused_before_it_is_whole",
            _ASKED + "test_a_body_that_announces_too_much_is_refused_unread",
            _ASKED + "test_a_body_that_is_longer_than_it_may_be_is_refused_whatever_it_announced",
            _ASKED + "test_a_body_that_does_not_end_is_given_up",
            _ASKED + "test_bodies_say_that_they_are_json",
            "rest/test_streams.py::test_a_token_holds_so_many_streams_and_no_more",
            _HTTP + "test_requests_that_are_none_are_refused_and_the_connection_is_closed",
            _HTTP + "test_memory_stays_flat_under_large_bodies",
        ),
    ),
    Promise(
        "A crowd comes back at once after a restart",
        "Everybody is served in the end, once for each key; who is refused is told when to come again, and clients spread.",
        (
            _TROUBLES + "test_a_crowd_that_comes_at_once_when_the_server_is_back_is_served",
            _ASKED + "test_who_asks_too_often_is_told_when_to_ask_again_and_others_are_not_held_up",
        ),
    ),
    Promise(
        "The records are away while calls come",
        "Callers are told to come again, at once once that is known; a key that is sent again later calls once.",
        (
            _TROUBLES + "test_while_the_records_are_away_callers_are_told_to_come_again_and_nothing_is_half_written",
            "e2e/test_serve.py::test_a_server_waits_for_records_that_it_cannot_reach_when_it_begins",
        ),
    ),
    Promise(
        "The disk is full while calls come",
        "Callers are told, looking goes on, nothing is half-written, and when there is room the same call is carried out.",
        (_TROUBLES + "test_on_a_full_disk_callers_are_told_and_when_there_is_room_it_goes_on",),
    ),
    # -- attacks ---------------------------------------------------------------------------------------------------------
    Promise(
        "Pickles from others, wherever they lie",
        "Nothing outside of steps can open one: neither the modules nor any request do.",
        (
            _HOSTILE + "test_nothing_that_opens_pickles_is_imported_but_where_steps_run",
            _HOSTILE + "test_what_others_pickled_is_not_opened_for_anybody_who_asks",
        ),
    ),
    Promise(
        "Models that carry code",
        instead="There are no models yet: values that a format with code keeps are opened in processes of steps alone.",
    ),
    Promise(
        "Addresses of data that lead to files or hosts which nobody named",
        "A request names data of the workspace and nothing else; stores follow a short list of protocols below their root.",
        (
            _ASKED + "test_no_file_of_the_server_is_read_for_a_caller",
            "faults/test_hostile_values.py::test_no_protocol_but_the_few_that_are_known_opens_a_file_system",
            "faults/test_hostile_values.py::test_protocols_are_not_chained",
            "storage/test_web_store.py::test_an_address_that_is_not_public_is_refused_unless_that_is_allowed",
        ),
    ),
    Promise(
        "Paths, statements and markup in names, ids and texts of requests",
        "None leads out, breaks the records, or comes back as anything but data, in every place of every route.",
        (
            _HOSTILE + "test_no_text_in_an_address_leads_anywhere_or_breaks_anything",
            _HOSTILE + "test_no_text_in_a_body_leads_anywhere_or_breaks_anything",
            _HOSTILE + "test_what_was_written_is_told_as_data_and_nothing_else",
            _ASKED + "test_odd_names_in_addresses_are_refused_or_unknown",
            _ASKED + "test_every_answer_has_the_headers_that_keep_browsers_in_check",
            "faults/test_hostile_names.py::test_no_name_on_the_command_line_leads_out",
            "faults/test_hostile_names.py::test_no_name_in_python_leads_out",
        ),
    ),
    Promise(
        "Documents that mean two things or too much: doubled keys, numbers that are none, deep nests, odd characters",
        "They are refused with words; whatever the document of the interface allows or nearly allows breaks nothing.",
        (
            _ASKED + "test_what_cannot_be_read_is_told",
            _ASKED + "test_unknown_keys_are_told_with_those_that_are_known",
            "rest/test_schema.py::test_what_the_document_allows_and_nearly_allows_breaks_nothing",
            "rest/test_schema.py::test_nor_does_it_when_tried_often",
        ),
    ),
    Promise(
        "Requests that cost much more than they are long: rules, lists, templates and patterns without measure",
        "Rules, lists, times and patterns have bounds, texts are read once, and answers tell of so many faults only.",
        (
            _HOSTILE + "test_a_request_that_would_cost_much_more_than_it_is_long_is_refused",
            _HOSTILE + "test_numbers_that_nothing_can_hold_are_refused",
        ),
    ),
    Promise(
        "Requests that a proxy and the server read in two ways",
        "Whatever has no one end is refused, and nothing behind it on the connection is read.",
        (
            _LINES + "test_a_request_whose_end_may_be_taken_for_another_is_refused_and_nothing_behind_it_is_read",
            _HTTP + "test_requests_that_are_none_are_refused_and_the_connection_is_closed",
        ),
    ),
    Promise(
        "Pages of other sites that have a browser ask",
        "They change nothing: a token stands in a header only, bodies are JSON, and what the browser says of them counts.",
        (
            _ASKED + "test_pages_of_other_sites_change_nothing_whatever_token_they_have",
            _ASKED + "test_a_token_counts_in_the_header_only",
            _ASKED + "test_bodies_say_that_they_are_json",
            _ALLOWED + "test_reading_changes_nothing",
        ),
    ),
    Promise(
        "Names that lead to this machine by another's word",
        "The server answers under names that it knows, by the header Host and no other.",
        (
            _ASKED + "test_a_server_is_not_asked_for_under_other_names",
            _LINES + "test_no_other_header_stands_for_the_name_of_the_host",
        ),
    ),
    Promise(
        "Tokens that are looked for in the records, logs, addresses and files",
        "The records hold digests, logs mask, addresses are no place for one, and the first one's file is its owner's.",
        (
            _TOKENS + "test_the_records_hold_no_secret",
            _TOKENS + "test_the_first_start_makes_a_token_in_a_file_for_its_owner_alone",
            _ASKED + "test_the_log_has_a_line_for_each_request_and_no_token",
            _ASKED + "test_a_token_is_never_in_an_answer_or_in_the_records",
            _ASKED + "test_a_token_counts_in_the_header_only",
        ),
    ),
    Promise(
        "Tokens that are guessed by how long an answer takes, or whose names are",
        "Digests are compared in constant time, an unknown one costs the same work, and all are told the same.",
        (
            _TOKENS + "test_digests_of_secrets_are_compared_in_constant_time_only",
            _TOKENS + "test_an_unknown_id_costs_the_same_work",
            _TOKENS + "test_whatever_is_wrong_who_shows_it_is_told_the_same_and_the_audit_log_the_reason",
        ),
    ),
    Promise(
        "Callers who ask for more than they may, or with tokens and ids of another workspace",
        "Every route declares one permission and is asked for by every kind of caller; what is not theirs is not there.",
        (
            _ALLOWED + "test_a_route_declares_exactly_one_permission",
            _ALLOWED + "test_who_is_not_known_is_refused_whatever_the_request",
            _ALLOWED + "test_who_is_known_is_let_in_as_the_permission_says",
            _ALLOWED + "test_a_trigger_is_not_told_which_other_endpoints_there_are",
            _HOSTILE + "test_tokens_and_ids_of_another_workspace_open_nothing",
        ),
    ),
    Promise(
        "Secrets in logs, errors and cut texts",
        "Values are masked in every usual form where they leave a step, in pieces and before texts are cut.",
        (
            "engine/test_masking.py::test_every_usual_form_is_masked",
            "engine/test_masking.py::test_pieces_are_masked_as_the_whole_is",
            "faults/test_hostile_values.py::test_no_part_of_a_secret_is_left_where_a_text_is_cut",
            _SECRETS + "test_the_value_is_given_and_seen_nowhere_whatever_becomes_of_the_step",
            _ASKED + "test_an_unforeseen_error_tells_nothing_but_the_requests_id",
        ),
        "What a caller sends in tags or parameters is not looked through when it comes: 'fsck' finds values there.",
    ),
    Promise(
        "A first start that lets everybody in",
        "There is no password; the first token is in a file of its owner's; beyond this machine there is TLS or no start.",
        (
            _HOSTILE + "test_a_server_that_others_can_reach_is_protected_or_not_started",
            _HTTP + "test_a_server_out_of_this_machine_has_tls_or_is_not_started",
            _TOKENS + "test_of_several_that_exchange_it_at_once_one_becomes_owner",
        ),
    ),
    Promise(
        "Sessions that outlive whom they belong to",
        "There are no sessions: each request shows a token, and one that is revoked opens nothing, not even a stream.",
        (
            "rest/test_streams.py::test_the_stream_of_a_token_that_is_revoked_ends",
            _TOKENS + "test_what_is_ended_opens_nothing",
        ),
    ),
    Promise(
        "Guesses and floods",
        "Who asks too often is told when to come again; refused tokens do not fill the audit log.",
        (
            _ASKED + "test_who_asks_too_often_is_told_when_to_ask_again_and_others_are_not_held_up",
            _ASKED + "test_refused_tokens_do_not_fill_the_audit_log",
            "domain/test_limits.py::test_in_no_stretch_of_time_more_is_served_than_is_allowed",
        ),
        "Nobody is locked out: a token has 256 random bits, and a lock would be a way to keep others out.",
    ),
    Promise(
        "An audit log that somebody changes",
        "A row that was changed, added or taken out is found, and so is one that never was written.",
        (
            _TOKENS + "test_a_log_that_was_tampered_with_shows",
            "e2e/test_tokens.py::test_a_log_that_was_changed_is_a_failure",
        ),
    ),
    Promise(
        "Lines that somebody forges in a log",
        "A line of the server's log is one document, whatever stands in the address; odd characters are refused.",
        (
            _ASKED + "test_the_log_has_a_line_for_each_request_and_no_token",
            _HOSTILE + "test_no_text_in_an_address_leads_anywhere_or_breaks_anything",
        ),
    ),
    Promise(
        "Ignore patterns that take for ever",
        "Stars are matched without a way back; very many patterns, and very many '**' in one, are refused.",
        (
            "workspace/test_snapshots.py::test_no_pattern_takes_for_ever",
            "workspace/test_snapshots.py::test_a_pattern_means_the_same_however_many_stars_it_has",
            "workspace/test_snapshots.py::test_what_would_take_too_long_is_refused",
        ),
    ),
    Promise(
        "Parameters that a shell would obey",
        "No shell is started; parameters reach commands and scripts as words, letter by letter.",
        (
            "faults/test_hostile_words.py::test_words_that_a_shell_would_obey_reach_commands_and_scripts_as_they_are",
            "faults/test_hostile_words.py::test_no_shell_is_started_anywhere",
        ),
    ),
    Promise(
        "Endpoints that serve models",
        instead="There are none yet: pipeline endpoints start runs, and what a run computes is done in steps of its own.",
    ),
]
