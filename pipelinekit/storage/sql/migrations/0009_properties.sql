-- Runs are found by what their code has said of them for good, as they are by tags.

create index run_properties_by_value on run_properties (key, value, run);

-- Those that ended badly in one way are counted where they are few.

create index runs_by_bad_end on runs (status, id) where status in ('Failed', 'Canceled');
