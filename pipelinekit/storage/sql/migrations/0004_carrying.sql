-- A run may be carried over from the newest completed run of its pipeline.

create index runs_completed on runs (pipeline, id) where status = 'Completed';
