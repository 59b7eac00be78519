"""Which faults and attacks are injected by which tests, and what must hold then.

A test is named by its path and function. What is said of a fault is the promise that its tests hold the code to.
"""

FAULTS = {
    "F10": (
        (
            "A full disk fails an attempt or a command with words, as a failure of the store that is tried again. No "
            "half-written file is left, what was recorded stays, looking needs no room, and when there is room it goes on."
        ),
        "tests/storage/test_blobs.py::test_a_full_disk_is_told_and_leaves_nothing",
        "tests/storage/test_blobs.py::test_a_file_too_large_for_its_file_system_is_told_and_leaves_nothing",
        "tests/storage/test_database.py::test_a_full_disk_is_told_and_the_database_goes_on_when_there_is_room",
        "tests/storage/test_object_faults.py::test_a_full_disk_for_copies_is_told_and_leaves_nothing",
        "tests/faults/test_runs_on_bad_disks.py::test_a_run_on_a_full_disk_fails_with_words_and_the_next_one_goes_on",
    ),
    "F11": (
        (
            "A blob is whole or not there, wherever its writer dies: its bytes are synced before it has its name, and its "
            "name before anybody is told."
        ),
        "tests/faults/test_disks.py::test_a_writer_that_dies_at_any_step_leaves_a_whole_blob_or_none",
        "tests/faults/test_disks.py::test_a_blob_is_synced_before_it_has_its_name_and_its_name_before_it_is_told",
        "tests/storage/test_blobs.py::test_a_writer_that_is_killed_leaves_no_blob",
        "tests/storage/test_blobs.py::test_a_source_that_fails_midway_leaves_nothing",
        "tests/storage/test_sweeping.py::test_leftovers_go_when_they_are_old",
        "tests/e2e/test_single_flight.py::test_a_holder_that_is_killed_anywhere_leaves_one_result_of_each_key",
    ),
    "F12": (
        (
            "A sync that fails means not written: nobody finds the blob, and another try writes it anew. A process whose "
            "records could not be synced writes to them no more."
        ),
        "tests/faults/test_disks.py::test_a_sync_that_fails_means_not_written_and_another_try_writes_anew",
        "tests/faults/test_disks.py::test_where_every_sync_fails_nothing_is_there",
        (
            "tests/faults/test_disks.py::"
            "test_a_sync_of_the_records_that_fails_ends_the_process_and_what_was_acknowledged_is_there"
        ),
    ),
    "F13": (
        (
            "A changed, cut or grown blob is noticed when it is read, set aside and made again by its step, once; what used "
            "it gets the right bytes."
        ),
        "tests/storage/test_blobs.py::test_any_damage_is_noticed",
        "tests/storage/test_blobs.py::test_damage_is_noticed_by_path_as_well_even_with_the_old_time",
        "tests/faults/test_disks.py::test_bytes_that_are_there_are_compared_before_they_stand_for_others",
        "tests/faults/test_disks.py::test_a_disk_that_cannot_read_a_blob_has_lost_it",
        "tests/engine/test_orchestrator.py::test_a_damaged_input_is_made_again_by_its_producer",
        "tests/upkeep/test_fsck.py::test_a_harmed_blob_is_found_taken_back_and_made_again",
        "tests/reuse/test_counterexamples.py::test_a_damaged_file_inside_a_stored_folder_is_made_again",
        "tests/reuse/test_proof.py::test_every_run_is_what_the_oracles_say",
    ),
    "F14": (
        (
            "A blob that is gone, before a run or in its midst, is a miss: it is made again, and the run does not fail. "
            "Endless loss ends with a failure."
        ),
        "tests/e2e/test_reuse.py::test_a_blob_that_is_gone_is_made_again",
        "tests/e2e/test_object_stores.py::test_what_the_store_lost_or_damaged_is_made_again",
        "tests/runtime/test_driver.py::test_an_output_that_is_gone_is_made_again",
        "tests/engine/test_orchestrator.py::test_endless_damage_ends_with_a_failure",
        "tests/upkeep/test_gc_laws.py::test_clean_up_of_everything_at_every_moment_of_a_run_harms_nothing",
        "tests/reuse/test_proof.py::test_every_run_is_what_the_oracles_say",
    ),
    "F15": (
        "Whole bytes under the name of others are damage.",
        "tests/storage/test_blobs.py::test_the_bytes_of_another_blob_are_damage",
        "tests/upkeep/test_fsck.py::test_a_misnamed_blob_is_two_faults",
    ),
    "F16": (
        "Clean-up at any moment of a run takes nothing that the run, a kept result or a registered dataset needs.",
        "tests/upkeep/test_gc_laws.py::test_clean_up_anywhere_loses_nothing_that_is_kept",
        "tests/upkeep/test_gc_laws.py::test_clean_up_of_everything_at_every_moment_of_a_run_harms_nothing",
        "tests/upkeep/test_gc.py::test_an_open_run_loses_nothing_however_old_its_blobs_are",
        "tests/storage/test_sweeping.py::test_what_is_stored_or_found_while_old_blobs_are_removed_stays",
        "tests/storage/test_object_uses.py::test_what_is_stored_or_found_beside_a_clean_up_stays",
        "tests/e2e/test_datasets.py::test_clean_up_keeps_what_a_registered_dataset_holds",
    ),
    "F17": (
        (
            "Many who write one blob at once all succeed, and it is there once. Bytes that have its name already are "
            "compared."
        ),
        "tests/storage/test_blobs.py::test_writers_of_the_same_blob_all_succeed_and_it_is_there_once",
        "tests/faults/test_hostile_values.py::test_sixteen_writers_of_one_blob_all_succeed",
        "tests/faults/test_disks.py::test_bytes_that_are_there_are_compared_before_they_stand_for_others",
    ),
    "F18": (
        (
            "An object store that is slow, overloaded or cut off is asked again; an answer that is lost does no harm; an "
            "upload that nobody ends is ended by clean-up; bytes are told by their digest and size, never by the store."
        ),
        "tests/storage/test_object_faults.py::test_a_connection_that_is_cut_while_a_blob_comes_is_made_anew",
        "tests/storage/test_object_faults.py::test_a_connection_that_is_cut_while_a_blob_goes_is_made_anew",
        "tests/storage/test_object_faults.py::test_a_store_that_is_overloaded_for_a_while_is_waited_for",
        "tests/storage/test_object_faults.py::test_an_answer_that_is_lost_after_the_blob_was_stored_does_no_harm",
        "tests/storage/test_object_faults.py::test_a_writer_that_is_killed_leaves_no_blob_and_clean_up_ends_its_upload",
        (
            "tests/storage/test_object_uses.py::"
            "test_what_lies_there_with_another_size_is_set_aside_when_the_blob_is_stored"
        ),
    ),
    "F19": (
        (
            "A store whose disk is away or may only be read is waited for, then told; it is never taken for an empty one, "
            "and nothing is written in its place."
        ),
        "tests/faults/test_disks.py::test_a_disk_that_is_away_or_read_only_is_waited_for_and_then_told",
        "tests/faults/test_disks.py::test_a_store_that_was_emptied_by_somebody_is_not_away",
        "tests/faults/test_runs_on_bad_disks.py::test_a_run_whose_store_goes_away_waits_for_it_and_completes",
        "tests/storage/test_blobs.py::test_a_store_that_may_not_be_written_to_is_told",
    ),
    "F20": (
        "Touching, copying and moving files executes nothing.",
        "tests/e2e/test_reuse.py::test_touching_copying_and_moving_execute_nothing",
        "tests/workspace/test_inputs.py::test_touched_copied_and_renamed_files_are_the_same",
        "tests/workspace/test_sources.py::test_a_touched_or_copied_source_is_the_same",
    ),
    "F21": (
        (
            "Whoever writes to records that another has locked waits, however many wait; after half a minute it is told, "
            "and nothing is half-written."
        ),
        "tests/storage/test_database.py::test_a_write_waits_while_another_process_writes",
        "tests/storage/test_database.py::test_a_lock_that_is_held_too_long_is_told_and_nothing_is_written",
        "tests/storage/test_writers.py::test_writers_of_one_file_wait_for_each_other",
        "tests/storage/test_writers.py::test_writers_of_one_database_wait_for_each_other",
    ),
    "F22": (
        (
            "A transaction outlives a restart or crash of its server, wherever the connection breaks; a server that stays "
            "away is told, and used again when it is back."
        ),
        "tests/storage/test_postgres.py::test_a_transaction_outlives_a_restart_of_the_server",
        "tests/storage/test_postgres.py::test_a_server_that_stays_away_is_told",
        "tests/storage/test_postgres.py::test_sessions_that_an_administrator_ends_are_made_again",
        "tests/e2e/test_restarts.py::test_a_run_outlives_restarts_and_crashes_of_its_server",
    ),
    "F23": (
        "A commit whose answer is lost is found out about: nothing is done twice or lost.",
        "tests/storage/test_postgres.py::test_nothing_is_done_twice_or_lost_wherever_the_connection_breaks",
        "tests/storage/test_postgres.py::test_a_transaction_whose_grounds_have_changed_is_not_done_again",
    ),
    "F24": (
        "What the server gave up in favour of another, a deadlock or an order that cannot be, is done again.",
        "tests/storage/test_postgres.py::test_what_another_was_preferred_to_is_done_again",
        "tests/storage/test_postgres.py::test_writers_take_turns_and_see_what_the_one_before_wrote",
    ),
    "F25": (
        (
            "Records that are damaged, of another program or of a newer release are refused with what to do, and left as "
            "they are; older ones are brought up, with a copy kept."
        ),
        "tests/faults/test_hostile_values.py::test_pages_of_the_records_that_were_changed_are_told_in_words",
        "tests/e2e/test_commands.py::test_damaged_records_are_told",
        "tests/storage/test_database.py::test_a_file_that_is_no_database_is_refused_and_left_alone",
        "tests/storage/test_database.py::test_records_of_a_newer_release_are_refused_and_left_alone",
        "tests/storage/test_database.py::test_a_database_of_another_program_is_refused_and_left_alone",
        "tests/storage/test_migrations.py::test_a_file_is_brought_up_and_kept_as_it_was",
        "tests/storage/test_migrations.py::test_a_schema_of_another_program_is_refused_and_left_alone",
    ),
    "F26": (
        "The write-ahead log is used only by releases of SQLite that are free of its reset fault, and given up by others.",
        "tests/storage/test_database.py::test_releases_with_the_fault_may_not",
        "tests/storage/test_database.py::test_releases_without_the_fault_may_use_the_write_ahead_log",
        "tests/storage/test_database.py::test_a_server_writes_ahead_only_where_it_is_safe",
        (
            "tests/storage/test_database_first_open.py::"
            "test_a_file_with_a_write_ahead_log_gives_it_up_where_it_is_not_safe"
        ),
        "tests/storage/test_writers.py::test_writers_of_one_file_wait_for_each_other",
    ),
    "F27": (
        "Records in a file are refused on a network file system, with what to do instead.",
        "tests/faults/test_disks.py::test_records_in_a_file_are_refused_on_a_network_file_system",
        "tests/faults/test_disks.py::test_what_the_kernel_does_not_tell_is_no_network",
    ),
    "F28": (
        (
            "Records that were put back to an earlier state are noticed: what was open in them has failed, whoever drives on "
            "is refused, and blobs of runs that they do not know stay."
        ),
        (
            "tests/faults/test_restored_records.py::"
            "test_whoever_drives_on_after_a_restore_is_fenced_and_what_was_open_has_failed"
        ),
        "tests/faults/test_restored_records.py::test_a_copy_that_was_taken_in_the_midst_of_a_run_is_gone_on_from",
        (
            "tests/faults/test_restored_records.py::"
            "test_records_that_are_replaced_by_a_copy_stop_whoever_has_the_old_ones_open"
        ),
    ),
    "S01": (
        "An archive with a name that would leave its place is refused as a whole, before a byte is written.",
        "tests/faults/test_hostile_archives.py::test_an_entry_that_does_not_belong_there_refuses_the_whole_file",
        "tests/faults/test_hostile_archives.py::test_names_that_end_at_a_zero_are_told_as_they_are",
        "tests/faults/test_hostile_archives.py::test_two_entries_of_one_name_are_refused",
        "tests/faults/test_hostile_archives.py::test_paths_in_a_stored_folder_that_would_leave_it_or_meet_are_refused",
    ),
    "S02": (
        "Links, devices and folders in an archive are refused by their mode, whatever their name.",
        (
            "tests/faults/test_hostile_archives.py::"
            "test_links_devices_and_folders_are_refused_by_their_mode_whatever_their_name"
        ),
    ),
    "S03": (
        "A link that leads out of a source or input folder is refused by name.",
        "tests/e2e/test_commands.py::test_links_out_of_the_source_folder_are_refused_by_name",
        "tests/workspace/test_inputs.py::test_links_out_of_a_folder_are_refused",
    ),
    "S04": (
        "An archive that would swell, overlaps itself, lies about sizes or never ends is refused; blobs are streamed.",
        (
            "tests/faults/test_hostile_archives.py::"
            "test_an_archive_that_would_swell_is_refused_and_one_of_ours_never_would"
        ),
        "tests/faults/test_hostile_archives.py::test_lying_sizes_overlaps_and_endless_lists_are_refused",
        "tests/faults/test_hostile_archives.py::test_what_hides_its_content_is_refused",
        "tests/faults/test_hostile_archives.py::test_a_large_blob_takes_no_memory",
        "tests/faults/test_hostile_archives.py::test_a_blob_that_is_another_takes_the_new_workspace_with_it",
        "tests/faults/test_hostile_archives.py::test_a_description_that_makes_no_sense_is_refused",
    ),
    "S07": (
        (
            "A message to a webhook goes to an address that was looked at, is public and was not asked for twice; or to a host "
            "that an owner allowed."
        ),
        "tests/domain/test_hosts.py::test_an_address_that_is_not_public_is_refused_however_it_is_written",
        "tests/domain/test_hosts.py::test_numbers_are_read_as_the_libraries_of_this_machine_read_them",
        "tests/domain/test_hosts.py::test_an_address_is_as_public_as_those_of_the_other_kind_that_lead_to_it",
        "tests/domain/test_hosts.py::test_what_is_no_plain_address_of_a_web_server_is_refused",
        "tests/storage/test_posting.py::test_nothing_is_connected_to_that_is_not_public",
        "tests/storage/test_posting.py::test_one_address_that_is_not_public_is_enough",
        "tests/storage/test_posting.py::test_a_name_is_asked_for_once_and_what_it_was_then_is_connected_to",
        "tests/storage/test_posting.py::test_redirects_are_not_followed",
        "tests/storage/test_posting.py::test_no_proxy_is_used",
        "tests/rest/test_webhooks.py::test_a_call_back_goes_where_a_webhook_might",
    ),
    "S08": (
        (
            "A datastore's address is a protocol of a short list, a host and a path below it: nothing chained, no way out, "
            "no private address on the web, and nothing read beside the root."
        ),
        "tests/faults/test_hostile_values.py::test_no_protocol_but_the_few_that_are_known_opens_a_file_system",
        "tests/faults/test_hostile_values.py::test_protocols_are_not_chained",
        "tests/faults/test_hostile_values.py::test_what_looks_like_a_host_and_leads_elsewhere_is_refused",
        "tests/domain/test_datastores.py::test_urls_that_chain_carry_credentials_or_leave_their_root_are_refused",
        "tests/contracts/test_datastores.py::test_links_that_lead_out_are_refused_whatever_is_done_with_them",
        "tests/contracts/test_datastores.py::test_a_store_below_a_prefix_sees_nothing_beside_it",
        "pipelinekit/testing/contracts/datastores.py::test_no_path_leads_out",
        "tests/storage/test_web_store.py::test_a_redirect_is_looked_at_like_the_first_address",
        "tests/storage/test_web_store.py::test_an_address_that_is_not_public_is_refused_unless_that_is_allowed",
        "tests/storage/test_web_store.py::test_addresses_of_this_network_are_not_public",
        "tests/storage/test_web_store.py::test_other_protocols_are_not_followed_to",
    ),
    "S09": (
        "No name that Python or the command line takes leads out of the workspace or ends in a traceback.",
        "tests/faults/test_hostile_names.py::test_no_name_on_the_command_line_leads_out",
        "tests/faults/test_hostile_names.py::test_no_name_in_python_leads_out",
        "tests/faults/test_hostile_names.py::test_names_that_a_dataset_is_asked_for_are_no_paths",
    ),
    "S18": (
        (
            "A secret is told nowhere: masked in every usual form, across pieces, before texts are cut. Files that look like "
            "secrets are named."
        ),
        "tests/engine/test_masking.py::test_every_usual_form_is_masked",
        "tests/engine/test_masking.py::test_pieces_are_masked_as_the_whole_is",
        "tests/faults/test_hostile_values.py::test_no_part_of_a_secret_is_left_where_a_text_is_cut",
        "tests/e2e/test_secrets.py::test_the_value_is_given_and_seen_nowhere_whatever_becomes_of_the_step",
        "tests/e2e/test_secrets.py::test_no_process_shows_it_and_a_step_that_is_killed_leaves_nothing",
        "tests/e2e/test_snapshots.py::test_a_likely_secret_is_named_once_in_each_run",
    ),
    "S19": (
        "Name and version of a secret enter keys and records; the value never does.",
        "tests/e2e/test_secrets.py::test_another_value_runs_what_depends_on_it_again_and_the_reason_names_it",
        "tests/e2e/test_secrets.py::test_the_value_is_given_and_seen_nowhere_whatever_becomes_of_the_step",
        "tests/workspace/test_secrets.py::test_documents_keep_names_and_versions",
    ),
}
