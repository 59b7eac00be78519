"""The checklist of data: secrets, datastores, datasets, what goes between steps, environments, snapshots and git."""

from checking import Row

WORKSPACE = "1 workspace"
STORES = "3 datastores"
DATASETS = "4 datasets"
BETWEEN = "5 data between steps"
ENVIRONMENTS = "6 environments"
SNAPSHOTS = "11 snapshots and git"

HERE = "checklist/test_data_"

ROWS = (
    Row(
        WORKSPACE,
        "secrets of the workspace: set, listed by name, deleted, one or many, given to steps by name",
        (
            f"{HERE}secrets.py::test_secrets_go_in_are_given_by_name_and_never_come_out",
            "e2e/test_secrets.py::test_the_value_is_given_and_seen_nowhere_whatever_becomes_of_the_step",
            "e2e/test_reproducing.py::test_a_run_that_was_given_a_secret_borrows_it_and_leaves_no_copy",
        ),
        ("secrets set lake-key", "secrets list", "secrets delete lake-key other-key", "secrets rotate-key"),
        "Values are not read back outside of steps: what nobody can show, nobody can leak; so each is asked for on its own.",
    ),
    Row(
        WORKSPACE,
        "a default datastore, asked for and chosen",
        (f"{HERE}stores.py::test_a_datastore_from_its_registration_to_its_end",),
        ("datastores set-default raw", "datastores list"),
    ),
    # -- datastores ----------------------------------------------------------------------------------------------------
    Row(
        STORES,
        "kinds of stores",
        (
            "workspace/test_datasets.py::test_a_bucket_is_a_store_like_any_other",
            "storage/test_web_store.py::test_files_are_found_and_read_by_their_paths",
            "domain/test_datastores.py::test_urls_have_one_form",
        ),
        ("datastores register lake s3://bucket/raw --option region=eu-west-1 --secret key=lake-key",),
        "A store is a URL of files; databases and big-data file systems are read by a step, whose query is its code and "
        "whose result is content that can be keyed.",
    ),
    Row(
        STORES,
        "registration: names, what is there already, credentials that are tried at once unless one skips that",
        (
            f"{HERE}stores.py::test_a_datastore_from_its_registration_to_its_end",
            "domain/test_datastores.py::test_other_names_are_refused",
            "workspace/test_datasets.py::test_a_store_must_be_reachable_unless_that_is_not_asked",
        ),
        ("datastores register raw /data --overwrite", "datastores register raw /data --skip-validation"),
        "A container that is not there is an error and is not made: a mistyped name should not become an empty store.",
    ),
    Row(
        STORES,
        "credentials lie in the secret store, never in records or scripts",
        (f"{HERE}stores.py::test_credentials_are_kept_as_names_of_secrets",),
        ("datastores register raw sftp://host/data --secret password=raw-key", "datastores show raw"),
    ),
    Row(
        STORES,
        "found by name or as the default; forgotten without touching the data",
        (f"{HERE}stores.py::test_a_datastore_from_its_registration_to_its_end",),
        ("datastores show raw", "datastores set-default raw", "datastores unregister raw"),
    ),
    Row(
        STORES,
        "files go up and come down, with progress, and stay where they are there already",
        (
            f"{HERE}stores.py::test_files_go_in_out_and_from_one_store_to_another",
            "workspace/test_datasets.py::test_files_go_up_and_down_and_stay_where_they_are_there",
        ),
        (
            "datastores upload raw new 2025",
            "datastores upload raw new --overwrite",
            "datastores download raw 2025/*.csv --to got",
            "datastores files raw 2025",
        ),
    ),
    Row(
        STORES,
        "files of a store as input of a step, by argument and environment variable",
        (f"{HERE}stores.py::test_files_in_a_datastore_are_inputs_as_they_are",),
        ("run main.py -p folder=datastore:raw/2024",),
        "There are no modes to choose: inputs are links to verified copies, as cheap as a mount and as sure as a download; "
        "outputs are uploaded by a step, so that keys know of it.",
    ),
    # -- datasets ------------------------------------------------------------------------------------------------------
    Row(
        DATASETS,
        "files and tables, by paths, patterns and URLs, as definitions that copy nothing",
        (
            "workspace/test_datasets.py::test_tables_of_every_format_are_read",
            "workspace/test_datasets.py::test_paths_in_a_dataset_begin_below_the_folder_that_its_sources_share",
            "workspace/test_datasets.py::test_folders_may_be_columns",
            f"{HERE}stores.py::test_a_url_is_looked_for_in_the_datastores",
        ),
        (
            "datasets register sales days/*.csv --tabular",
            "datasets register pages 2024 --store raw",
            "datasets register events https://example.com/a.jsonl --format json",
        ),
        "What a database gives is not told by content before it is read; a step reads it, and its output is registered.",
    ),
    Row(
        DATASETS,
        "registration: version 1, conflicts of name and of equal definitions that name what there is",
        (
            f"{HERE}datasets.py::test_a_dataset_from_its_registration_to_what_was_made_of_it",
            "workspace/test_datasets.py::test_versions_grow_with_the_content_and_the_same_is_told",
        ),
        ("datasets register sales days --create-new-version", "datasets register sales days --exist-ok"),
    ),
    Row(
        DATASETS,
        "versions 1, 2, 3; data that was changed behind one",
        (
            "workspace/test_datasets.py::test_what_was_changed_behind_a_version_is_named",
            "workspace/test_datasets.py::test_content_that_the_workspace_has_kept_is_used_and_the_change_is_said",
            f"{HERE}datasets.py::test_what_changed_behind_a_version_is_said_when_one_asks",
        ),
        ("datasets list sales", "datasets show sales@2", "datasets check sales"),
        "A version knows its files by content, so that what was overwritten is named or taken from the workspace's store.",
    ),
    Row(
        DATASETS,
        "description, tags, profile; forgotten without touching the data",
        (
            "workspace/test_datasets.py::test_what_is_said_of_a_version_changes_and_tags_are_not_overwritten",
            "workspace/test_datasets.py::test_a_table_is_looked_through_once",
            "workspace/test_datasets.py::test_unregistering_leaves_the_files",
        ),
        (
            "datasets update sales --description raw --tag kind=raw --remove-tag old",
            "datasets show sales",
            "datasets unregister sales --all-versions",
        ),
    ),
    Row(
        DATASETS,
        "as input of a step: as a table, lazily, as files, mapped over file by file",
        (
            "e2e/test_datasets.py::test_a_table_arrives_as_the_step_asks",
            "e2e/test_datasets.py::test_one_new_file_costs_one_new_step",
            "workspace/test_datasets.py::test_files_of_a_web_server_are_fetched_once",
        ),
        ("run main.py -p sales=dataset:sales@1",),
        "A parameter's name names the input, and its annotation says how the dataset arrives; there are no modes to choose.",
    ),
    Row(
        DATASETS,
        "in a script: by argument, by environment variable",
        (
            f"{HERE}datasets.py::test_a_dataset_from_its_registration_to_what_was_made_of_it",
            "e2e/test_datasets.py::test_scripts_and_commands_get_the_path",
        ),
        ("run main.py -p days=dataset:days",),
        "A function gets the table itself as its argument, so that no dictionary of inputs has to be asked.",
    ),
    Row(
        DATASETS,
        "the newest version when a run starts, recorded; a handle stays the version that it is",
        (
            "e2e/test_datasets.py::test_a_handle_is_pinned_and_a_name_follows",
            "e2e/test_datasets.py::test_a_dataset_that_is_written_into_a_pipeline_is_resolved_when_the_run_starts",
        ),
        ("run main.py -p days=dataset:days@latest", "datasets lineage --run latest"),
    ),
    Row(
        DATASETS,
        "rows and columns chosen, by time too; pandas, dask; copied out; profiled",
        (
            "workspace/test_datasets.py::test_rows_and_columns_are_chosen_in_the_order_that_is_said",
            "workspace/test_datasets.py::test_chance_is_the_same_each_time_and_splits_leave_nothing_out",
            "workspace/test_datasets.py::test_pandas_and_dask_see_the_same_table",
            "workspace/test_datasets.py::test_files_are_copied_out_and_nothing_is_overwritten_unasked",
            f"{HERE}datasets.py::test_rows_are_chosen_by_time_wherever_the_choice_is_written",
        ),
        ("datasets show sales", "datasets download sales --to got"),
        "Transformations are written in Python, where the pipeline is; Spark is not among what this workspace runs on.",
    ),
    Row(
        DATASETS,
        "a data frame is written to a datastore and registered",
        ("workspace/test_datasets.py::test_a_table_is_written_to_the_default_store_and_registered",),
        ("datasets register sales sales.parquet --store raw --tabular",),
        "A command has no data frame; it registers the file that one was written to.",
    ),
    Row(
        DATASETS,
        "lineage from a dataset to runs and back",
        (
            f"{HERE}datasets.py::test_a_dataset_from_its_registration_to_what_was_made_of_it",
            "e2e/test_datasets.py::test_one_new_file_costs_one_new_step",
        ),
        ("datasets lineage sales", "datasets lineage --run latest", "runs show latest"),
        "Models are registered outputs of runs, and are told with the run as soon as there is a registry of models.",
    ),
    # -- data between steps --------------------------------------------------------------------------------------------
    Row(
        BETWEEN,
        "outputs with a name, of one step for many, a file or a folder, fetched from the run later",
        (
            "e2e/test_authoring.py::test_script_and_command_steps",
            "e2e/test_commands.py::test_runs_are_listed_shown_and_their_outputs_printed",
        ),
        ("runs outputs latest", "runs outputs latest --step clean --save got"),
    ),
    Row(
        BETWEEN,
        "where a script finds its inputs and outputs",
        (f"{HERE}datasets.py::test_a_dataset_from_its_registration_to_what_was_made_of_it",),
        ("run main.py",),
        "The folder of an output is there already, so that a script need not make it.",
    ),
    Row(
        BETWEEN,
        "where outputs are kept",
        (f"{HERE}stores.py::test_a_step_copies_from_store_to_store_once",),
        ("runs outputs latest",),
        "Outputs lie in the workspace's store by content, so no destination has to be named; a step of the catalogue puts "
        "them into a datastore where others look for them.",
    ),
    Row(
        BETWEEN,
        "outputs are written as files, and kept when they are closed",
        ("e2e/test_authoring.py::test_script_and_command_steps",),
        ("runs outputs latest",),
        "An output is kept when its step has succeeded: half of a file is no result.",
    ),
    Row(
        BETWEEN,
        "nothing of a step that failed or was canceled is published",
        (
            "e2e/test_datasets.py::test_a_failed_step_registers_nothing_and_those_that_succeeded_do",
            "e2e/test_datasets.py::test_a_driver_that_is_killed_registers_nothing_and_the_resumed_run_does",
        ),
        ("datasets list",),
    ),
    Row(
        BETWEEN,
        "an output becomes a dataset version when its step succeeds, also of mapped steps",
        (
            "e2e/test_datasets.py::test_an_output_becomes_a_version_once_for_each_content",
            "e2e/test_datasets.py::test_a_mapped_step_registers_one_version_of_all_its_elements",
        ),
        ("datasets show best_shops", "datasets update best_shops --description best --tag kind=made"),
    ),
    Row(
        BETWEEN,
        "outputs are consumed by handing them on",
        ("e2e/test_datasets.py::test_an_output_becomes_a_version_once_for_each_content",),
        ("plan main.py",),
        "Inputs are named after parameters, never at random, so that no name defeats reuse.",
    ),
    Row(
        BETWEEN,
        "how long outputs are kept",
        (
            "upkeep/test_gc.py::test_without_options_only_what_nothing_refers_to_goes",
            "e2e/test_datasets.py::test_clean_up_keeps_what_a_registered_dataset_holds",
        ),
        ("gc --dry-run", "runs pin latest"),
        "Nothing goes by itself; what clean-up takes away is made again when a step needs it.",
    ),
    Row(
        BETWEEN,
        "a path in a datastore as a parameter, replaced for one run",
        (
            f"{HERE}stores.py::test_files_in_a_datastore_are_inputs_as_they_are",
            f"{HERE}stores.py::test_what_is_not_in_a_datastore_is_told_before_anything_starts",
        ),
        ("run main.py -p folder=datastore:raw/2025",),
    ),
    Row(
        BETWEEN,
        "a step that copies from one store to another, and is reused",
        (
            f"{HERE}stores.py::test_a_step_copies_from_store_to_store_once",
            f"{HERE}stores.py::test_files_go_in_out_and_from_one_store_to_another",
        ),
        ("datastores copy raw 2024 lake copies",),
    ),
    # -- environments --------------------------------------------------------------------------------------------------
    Row(
        ENVIRONMENTS,
        "packages, interpreter and variables; or a container image",
        (
            f"{HERE}environments.py::test_environments_are_made_of_what_there_is",
            "e2e/test_environments.py::test_steps_run_in_registered_environments_with_nothing_of_ours_installed",
            "compute/test_containers.py::test_a_command_runs_in_the_image_and_its_digest_is_keyed",
        ),
        ("environments register lab --package pandas --python 3.12 --variable MODE=fast", "environments show lab"),
        "Spark and R have no part of their own: a step in another language is a command in an image.",
    ),
    Row(
        ENVIRONMENTS,
        "made from a list, requirements, a conda file, a project, an image, a Dockerfile",
        (
            f"{HERE}environments.py::test_environments_are_made_of_what_there_is",
            "authoring/test_environments.py::test_requirements_files_are_followed",
            "authoring/test_environments.py::test_packages_of_conda_itself_are_faults_unless_they_are_left_out",
            "compute/test_containers.py::test_a_dockerfile_is_built_without_files_beside_it",
        ),
        (
            "environments register lab requirements.txt",
            "environments register lab environment.yml --skip-conda",
            "environments register lab pyproject.toml --extra plots --group test",
            "environments register lab Dockerfile",
            "environments register lab --image python:3.12",
        ),
        "An environment that happens to lie on one machine pins nothing, and neither do files beside a Dockerfile: both are "
        "refused in favour of what another machine can make again.",
    ),
    Row(
        ENVIRONMENTS,
        "versions that count and never change; the same definition is the same version",
        (f"{HERE}environments.py::test_versions_count_and_never_change",),
        ("environments register lab:1 --package pandas", "environments delete lab:1"),
        "No prefix of names is reserved, for no environment comes with the workspace.",
    ),
    Row(
        ENVIRONMENTS,
        "found by name and version, listed, cloned",
        (f"{HERE}environments.py::test_versions_count_and_never_change",),
        ("environments show lab:1", "environments list", "environments list lab", "environments clone lab copy"),
        "Beside numbers there is one label, latest: a label that moves would change what a stored pipeline means.",
    ),
    Row(
        ENVIRONMENTS,
        "what nobody registered is kept with the run that used it",
        ("e2e/test_environments.py::test_an_unregistered_environment_is_recorded_with_its_lock",),
        ("environments list --all",),
    ),
    Row(
        ENVIRONMENTS,
        "built once for equal content, shared, frozen at the first resolution",
        (
            "workspace/test_environments.py::test_equal_packages_are_resolved_once_whatever_the_name",
            "e2e/test_environments.py::test_processes_that_need_one_environment_at_once_build_it_once",
            "e2e/test_environments.py::test_an_environment_is_resolved_once_until_it_is_upgraded",
            "e2e/test_environments.py::test_a_damaged_environment_is_made_again_before_a_step_runs_in_it",
        ),
        ("environments lock lab", "environments lock lab --upgrade", "environments show lab"),
    ),
    Row(
        ENVIRONMENTS,
        "built ahead of need, with the words of what failed; saved to a file and read from it",
        (
            "e2e/test_environments.py::test_a_build_that_fails_names_the_environment_and_quotes_the_resolver",
            "e2e/test_environments.py::test_a_lock_is_written_as_a_file_that_is_an_environment_again",
            "e2e/test_environments.py::test_environments_in_python",
        ),
        ("environments build lab", "environments lock lab -o lab.txt"),
        "Environments are built where steps run, which is where they are needed, and not by a service elsewhere.",
    ),
    # -- snapshots and git ---------------------------------------------------------------------------------------------
    Row(
        SNAPSHOTS,
        "the source folder by content, file by file; an unchanged one costs nothing",
        (
            f"{HERE}snapshots.py::test_what_a_run_was_made_of_is_kept_shown_and_copied",
            "workspace/test_snapshots.py::test_a_snapshot_is_completed_where_its_manifest_alone_is_left",
        ),
        ("snapshots show latest",),
    ),
    Row(
        SNAPSHOTS,
        "ignore files: .amlignore, else .gitignore, as git reads them",
        (
            "workspace/test_snapshots.py::test_amlignore_comes_before_gitignore",
            "workspace/test_previews.py::test_each_rule_is_named_with_its_file_and_line",
        ),
        ("snapshots preview . --all",),
        "A file that cannot be read is named instead of being left out in silence, for code might need it.",
    ),
    Row(
        SNAPSHOTS,
        "what is left out by default",
        (
            "workspace/test_snapshots.py::test_what_never_belongs_to_it",
            "workspace/test_snapshots.py::test_an_ignore_file_can_take_back_what_is_left_out_by_default",
        ),
        ("snapshots preview",),
        "Folders of outputs and logs are not among it, since steps write into folders of their own.",
    ),
    Row(
        SNAPSHOTS,
        "limits that name the largest entries, and can be lifted",
        (
            f"{HERE}snapshots.py::test_how_much_a_source_folder_may_hold_is_a_setting",
            "workspace/test_snapshots.py::test_what_is_too_large_is_told_with_the_largest_entries",
        ),
        ("snapshots preview", "settings"),
    ),
    Row(
        SNAPSHOTS,
        "kept with the run, looked into, copied out",
        (
            f"{HERE}snapshots.py::test_what_a_run_was_made_of_is_kept_shown_and_copied",
            "e2e/test_snapshots.py::test_the_snapshot_of_a_run_is_shown_and_copied",
        ),
        ("snapshots show latest --step clean", "snapshots download latest -o code.zip"),
    ),
    Row(
        SNAPSHOTS,
        "what git knows of a run, and the build that it belongs to; variables decide; silence without git",
        (
            f"{HERE}snapshots.py::test_what_a_run_was_made_of_is_kept_shown_and_copied",
            f"{HERE}snapshots.py::test_a_build_machine_tells_its_build",
            "workspace/test_git.py::test_a_build_machine_may_know_better",
            "workspace/test_git.py::test_without_the_program_git_there_is_nothing_to_tell",
            "e2e/test_snapshots.py::test_runs_tell_commit_and_differences_and_ask_git_only_when_something_executes",
        ),
        ("runs show latest", "runs show latest --diff"),
        "Whether the folder was as committed is found from the files that the run was given, and no variable overrides that.",
    ),
)
