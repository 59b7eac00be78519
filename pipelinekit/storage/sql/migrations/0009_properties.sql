-- Runs are found by what their code has said of them for good, as they are by tags.

create index run_properties_by_value on run_properties (key, value, run);
