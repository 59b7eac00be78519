"""Faults of what carries runs: drivers, keepers, nodes, networks between them, steps that misbehave, graphs without measure.

Those of servers, calls and schedules are in `rows_faults`, those of disks, stores and records in `tests/faults`.
"""

from checklist.checking import Promise

_CHAOS = "e2e/test_chaos.py::"
_CRASHES = "e2e/test_crashes.py::"
_DETACHED = "e2e/test_detached.py::"
_TAKING = "e2e/test_taking_over.py::"
_ORPHANS = "compute/test_orphans.py::"
_ANYWHERE = "e2e/test_dying_anywhere.py::"
_POINTS = "reuse/test_crash_points.py::"
_SHARED = "e2e/test_shared_clusters.py::"
_COMPUTES = "e2e/test_computes.py::"
_FLIGHT = "e2e/test_single_flight.py::"
_MACHINES = "e2e/test_machines.py::"
_PARTED = "e2e/test_partitions.py::"
_HARD = "e2e/test_hard_times.py::"
_POISON = "e2e/test_poison.py::"
_SILENT = "compute/test_silent_nodes.py::"
_FORGED = "compute/test_forged.py::"
_PLACING = "engine/test_placing.py::"
_CACHE = "compute/test_node_cache.py::"
_STORES = "e2e/test_object_stores.py::"
_TARGETS = "compute/test_contract.py::"
_EVERY_TARGET = "../pipelinekit/testing/contracts/compute.py::"
_RECORDS = "../pipelinekit/testing/contracts/records.py::"
_POWER = "e2e/test_power_loss.py::"
_LARGE = "engine/test_large_graphs.py::"
_IMAGINARY = "benchmarks/test_imaginary_nodes.py::"
ANY_EFFECT = _ANYWHERE + "test_a_run_completes_whatever_dies_at_some_of_its_effects"
EACH_EFFECT = _ANYWHERE + "test_so_it_does_at_each_of_them"
CHAOS = _CHAOS + "test_a_run_survives_the_death_of_everything_that_carries_it"
ALL_CHAOS = _CHAOS + "test_so_it_does_whatever_the_order"
MANY_NODES = _IMAGINARY + "test_each_step_is_recorded_once_and_gives_what_it_gives_where_nothing_goes_wrong"

DEATHS = [
    # -- deaths --------------------------------------------------------------------------------------------------------
    Promise(
        "A driver is killed: at any effect, twice in a row, while another takes its run up",
        "Another takes the run up where it is detached; what had ended is not done again, what nodes were at goes on.",
        (
            _POINTS + "test_a_run_comes_to_its_end_whatever_effect_its_driver_died_at",
            _POINTS + "test_so_it_does_when_the_next_driver_dies_as_well",
            ANY_EFFECT,
            EACH_EFFECT,
            _CRASHES + "test_a_killed_driver_loses_nothing_and_leaves_no_process",
            _DETACHED + "test_a_killed_driver_is_replaced_and_nothing_that_had_ended_is_done_again",
            _SHARED + "test_what_a_dead_driver_left_on_a_node_is_stopped",
            _TAKING + "test_steps_on_a_node_go_on_under_the_next_driver",
            _TAKING + "test_what_ends_while_nobody_drives_is_not_done_again",
            _TAKING + "test_what_was_taken_over_is_stopped_as_anything_is",
            _ORPHANS + "test_one_that_nobody_comes_for_is_ended",
            _ORPHANS + "test_one_that_was_asked_for_and_not_taken_is_ended",
            _ORPHANS + "test_one_of_another_task_is_ended_and_the_new_one_executed",
            MANY_NODES,
            CHAOS,
            ALL_CHAOS,
        ),
        "What a driver executes on its own machine (`local`) ends with it, and begins anew.",
    ),
    Promise(
        "A node is killed while it executes, or a step's process is",
        "What it had is done again elsewhere, its steps' processes end, and nothing half-written is seen.",
        (
            _CRASHES + "test_a_killed_step_process_is_replaced_and_the_run_completes",
            _EVERY_TARGET + "test_a_process_that_was_killed_is_lost",
            _PLACING + "test_an_attempt_that_was_begun_alone_is_what_its_node_died_over_and_others_go_back",
            _PLACING + "test_whatever_nodes_do_each_attempt_is_told_once_and_is_in_one_place",
            ANY_EFFECT,
            EACH_EFFECT,
            MANY_NODES,
            CHAOS,
        ),
    ),
    Promise(
        "What a node keeps in its own folder is damaged, deleted, or more than there is room for",
        "It is brought again before a step reads it; what was unused longest goes, and nothing that a step process uses.",
        (
            _CACHE + "test_a_source_folder_that_was_damaged_is_brought_again_before_anybody_starts_in_it",
            _CACHE + "test_what_another_worker_holds_stays_until_he_dies",
            _CACHE + "test_an_entry_that_is_held_again_while_it_goes_is_there_or_held_anew",
            _CACHE + "test_copies_whose_folder_has_gone_are_brought_again",
            "storage/test_blob_copies.py::test_a_damaged_copy_is_fetched_again",
            "storage/test_blob_copies.py::test_copies_that_were_just_used_stay_whatever_the_budget",
            "contracts/test_environments.py::test_a_process_that_lives_long_looks_again",
            _STORES + "test_dask_workers_with_folders_of_their_own_need_no_folder_of_the_workspace",
        ),
    ),
    Promise(
        "The node that holds a step's inputs is busy, or has died",
        "Another takes the step, and has them brought.",
        (
            "engine/test_locality.py::test_a_node_that_is_busy_or_has_died_is_not_preferred",
            "compute/test_preferences.py::test_a_bundle_that_came_while_no_worker_was_there_goes_to_the_first_that_comes",
            _STORES + "test_a_step_goes_to_the_node_that_holds_its_inputs_unless_that_one_is_busy",
        ),
    ),
    Promise(
        "The keeper of a cluster is killed with its scheduler: before it has one, while steps run, at its end",
        "Its nodes end with it, whoever needs the cluster has another keeper started, and no run fails.",
        (
            _COMPUTES + "test_a_keeper_that_is_killed_takes_its_nodes_along_and_the_next_run_starts_another",
            _COMPUTES + "test_a_run_goes_on_with_another_keeper_when_its_own_is_killed",
            ANY_EFFECT,
            EACH_EFFECT,
            CHAOS,
        ),
    ),
    Promise(
        "Everything dies at once, as when the power fails, and once more while it comes back",
        "A server that is started again has the run go on; what was recorded stands, and checks find nothing.",
        (
            _POWER + "test_a_run_goes_on_after_everything_died_at_once_twice_the_second_time_in_its_recovery",
            "storage/test_leases.py::test_a_boot_that_is_over_is_dead_where_records_are_a_file",
            "faults/test_disks.py::test_a_blob_is_synced_before_it_has_its_name_and_its_name_before_it_is_told",
        ),
    ),
    Promise(
        "Several servers share a database, and each is killed at any time, some of them together",
        "One of those that are left, or that come back, has the run go on; no step that had ended is done again.",
        (_CHAOS + "test_several_servers_on_one_database_are_killed_and_the_run_goes_on",),
    ),
    Promise(
        "The database is killed beside all else",
        "Drivers, keepers and servers wait for it, and what was committed stands.",
        (_CHAOS + "test_it_survives_the_death_of_its_database_as_well", ALL_CHAOS),
    ),
    Promise(
        "A run kills whoever drives it, a step kills its nodes, a graph can be read by nobody",
        "After three drivers, or three nodes, it has failed and says so; other runs and steps go on.",
        (
            _POISON + "test_what_kills_each_of_its_drivers_is_given_up_and_others_go_on",
            _POISON + "test_graphs_that_no_driver_can_read_fail_their_runs_with_words_and_others_go_on",
            _DETACHED + "test_a_run_that_kills_every_driver_fails_in_the_end",
            _SHARED + "test_a_step_that_kills_its_nodes_fails_with_the_evidence_and_others_do_not",
        ),
    ),
    # -- two at once, too late, and not at all -------------------------------------------------------------------------
    Promise(
        "Two drivers come to one key at once",
        "One executes it and the other takes its result; if the one dies, the other takes over; one result counts.",
        (
            _FLIGHT + "test_runs_that_begin_at_once_execute_each_key_once",
            _FLIGHT + "test_a_holder_that_is_killed_anywhere_leaves_one_result_of_each_key",
            _CRASHES + "test_two_runs_of_one_pipeline_execute_each_key_once",
            _CRASHES + "test_a_waiting_run_takes_over_when_the_holder_dies",
            _MACHINES + "test_machines_that_begin_at_once_execute_each_key_once",
        ),
    ),
    Promise(
        "A driver or a node stands still for longer than it may, and wakes up",
        "What it records then is refused, by the epoch of its run; a node is ended with its steps, and replaced.",
        (
            _FLIGHT + "test_a_holder_that_sleeps_anywhere_and_goes_on_late_is_fenced",
            _MACHINES + "test_a_machine_that_sleeps_longer_than_its_lease_is_fenced",
            _RECORDS + "test_a_run_of_a_dead_driver_is_taken_over_and_the_late_one_is_fenced",
            _SILENT + "test_a_node_that_stands_still_for_less_than_it_may_goes_on_as_if_nothing_had_been",
            _SILENT + "test_one_that_stands_still_for_longer_is_ended_with_its_steps_and_another_takes_its_place",
        ),
    ),
    Promise(
        "A network parts a node from its scheduler, or a driver from its cluster: one way or both, briefly or longer",
        "Briefly nothing is done again; longer, another does it, what comes late counts for nothing, and the node ends.",
        (
            _PARTED + "test_a_node_that_is_parted_for_less_than_it_may_goes_on_with_what_it_has",
            _PARTED + "test_what_a_parted_node_had_is_done_by_another_and_what_it_says_later_counts_for_nothing",
            _PARTED + "test_a_driver_that_is_parted_from_its_cluster_for_a_while_goes_on",
        ),
        "Results are not kept on a node for later; for how long an attached cluster waits for a node is its own setting.",
    ),
    Promise(
        "A machine hardly comes to anything, or a step lets no thread of its process go on",
        "Nothing is taken for lost: who says that a node lives is not the step; a limit of time is held all the same.",
        (
            _HARD + "test_where_everything_stands_still_half_of_the_time_nothing_is_taken_for_lost",
            _EVERY_TARGET + "test_a_step_that_lets_no_thread_of_its_process_go_on_is_ended_in_time_and_holds_nobody_up",
        ),
    ),
    Promise(
        "A cluster says that a step has ended and its result is lost, or says it twice",
        "What is recorded counts: the step is done again, and has one end.",
        (
            _PARTED + "test_a_driver_whose_connection_is_torn_as_a_step_ends_does_it_again_and_records_it_once",
            _PLACING + "test_whatever_nodes_do_each_attempt_is_told_once_and_is_in_one_place",
            MANY_NODES,
        ),
    ),
    # -- steps ---------------------------------------------------------------------------------------------------------
    Promise(
        "The kernel kills a step that takes too much memory, or it asks for more than its limit",
        "The node lives, the attempt says which signal or limit it was, and how much memory it had.",
        (
            _EVERY_TARGET + "test_a_process_that_was_killed_is_lost",
            _EVERY_TARGET + "test_a_dead_process_is_told_with_its_signal_and_last_lines",
            _EVERY_TARGET + "test_too_much_memory_ends_the_attempt",
        ),
        "A step that was killed by somebody else is tried again as lost, three times, with the memory that it asked for.",
    ),
    Promise(
        "A step ignores that it is to end, forks, or begins processes in sessions of their own",
        "It is killed after its grace, with all that it has begun, wherever that went, also when the driver is killed.",
        (
            _TARGETS + "test_a_step_that_ignores_the_signal_is_killed",
            _TARGETS + "test_children_of_a_step_end_with_it",
            _EVERY_TARGET + "test_what_a_step_has_begun_in_a_session_of_its_own_ends_with_it",
        ),
        "A process that a step begins with an empty environment is not found where it leaves the step's group, too.",
    ),
    Promise(
        "A step hangs, writes a gigabyte, leaves files open, fills the disk",
        "Limits of time hold, logs are cut, memory stays flat, the process is not used again, the room is given back.",
        (
            _EVERY_TARGET + "test_a_timeout_ends_the_attempt",
            _HARD + "test_of_a_gigabyte_that_a_step_writes_the_beginning_is_kept_and_memory_stays_flat",
            _EVERY_TARGET + "test_a_flood_of_output_is_cut",
            _EVERY_TARGET + "test_a_process_in_which_many_files_were_left_open_is_not_used_again",
            _HARD + "test_a_step_that_fills_the_disk_with_its_scratch_fails_and_leaves_the_room_to_others",
        ),
        "There is no quota for what a step writes beside its results: the disk is the limit.",
    ),
    Promise(
        "A node, a cluster or an attempt is of other versions",
        "It is refused with both versions, before anything is executed.",
        (
            _TARGETS + "test_other_software_is_refused_with_both_versions",
            _TARGETS + "test_other_versions_of_packages_are_refused_by_the_worker",
        ),
    ),
    # -- graphs --------------------------------------------------------------------------------------------------------
    Promise(
        "Graphs with cycles, with ten thousand steps in a row, with fifty thousand into one; pipelines that call themselves",
        "What cannot be is refused with its place; what can be is compiled, read, decided and run without recursion.",
        (
            "authoring/test_pipelines.py::test_cycles_are_named",
            _POISON + "test_a_pipeline_that_calls_itself_is_refused_with_its_place",
            _LARGE + "test_a_graph_of_ten_thousand_in_a_row_or_fifty_thousand_into_one_is_read_and_run",
            _POISON + "test_ten_thousand_steps_in_a_row_and_fifty_thousand_into_one_are_compiled_recorded_and_run",
        ),
    ),
    Promise(
        "A hundred thousand steps, and a thousand nodes of which some die",
        "Each step is recorded once and no more is executed than was lost; what it takes grows as the steps do.",
        (MANY_NODES, _IMAGINARY + "test_so_it_is_whatever_goes_wrong"),
        "The nodes of that proof are imaginary; the benchmarks run it with a hundred thousand steps and say what it took.",
    ),
    # -- attacks -------------------------------------------------------------------------------------------------------
    Promise(
        "A step asks for what belongs to other runs",
        instead="Steps hold no token: what they tell is filed by their supervisor under their own attempt. They run as its user.",
    ),
    Promise(
        "A node forges a receipt: of an attempt that is not its driver's, of an earlier one, with other outputs, or nonsense",
        "It changes nothing, or is a failure of that step; keys and claims are the driver's, and go by its epoch.",
        (
            _FORGED + "test_what_is_said_of_others_attempts_or_cannot_be_read_changes_nothing",
            _FORGED + "test_an_answer_that_cannot_be_read_or_tells_nothing_is_a_lost_attempt",
            _PLACING + "test_what_a_node_says_of_attempts_that_are_not_open_here_is_not_told",
            _RECORDS + "test_a_completion_without_a_claim_is_kept_but_never_reused",
            _RECORDS + "test_a_run_of_a_dead_driver_is_taken_over_and_the_late_one_is_fenced",
        ),
        "What a node says of an attempt that its driver did give to this cluster is believed, if it is one of its outputs.",
    ),
    Promise(
        "Others reach the ports of a cluster",
        "They listen on this machine only and talk to nobody without a certificate; plain ones elsewhere are refused.",
        (
            _COMPUTES + "test_nobody_gets_at_its_scheduler_without_its_certificates",
            _COMPUTES + "test_nobody_without_the_right_certificates_gets_in",
            _COMPUTES + "test_a_network_that_is_not_protected_is_refused",
            _TARGETS + "test_no_port_is_opened",
        ),
    ),
]
