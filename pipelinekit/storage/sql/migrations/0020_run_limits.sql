-- How many runs of an experiment, or on a compute target, may be under way at once.

create table run_limits (
    kind text not null,
    name text not null,
    most integer not null,
    primary key (kind, name)
);
