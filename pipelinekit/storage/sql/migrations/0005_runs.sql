-- Runs of other kinds than pipelines, and what is told of runs: tags, properties, files, metrics. What belongs to a run
-- and not to one of its steps has an empty step. What a step told its run (`to_parent`) is told again by a run that reuses
-- the step. `body`, `last` and `value` of a file are JSON.

alter table runs add column kind text not null default 'pipeline';

alter table runs add column parent text not null default '';

alter table runs add column parent_step text not null default '';

alter table runs add column display_name text not null default '';

alter table runs add column description text not null default '';

create index runs_of_parent on runs (parent, id) where parent <> '';

create index runs_ended_badly on runs (id) where status in ('Failed', 'Canceled');

alter table experiments add column archived_at double precision;

alter table experiments add column description text not null default '';

create table experiment_tags (
    experiment text not null,
    key text not null,
    value text not null,
    primary key (experiment, key)
);

create table run_tags (
    run text not null,
    step text not null,
    to_parent integer not null,
    key text not null,
    value text not null,
    primary key (run, step, to_parent, key)
);
create index run_tags_to_parent on run_tags (run) where to_parent = 1;
create index run_tags_by_key on run_tags (key, run);
create index run_tags_by_value on run_tags (key, value, run);

create table run_properties (
    run text not null,
    step text not null,
    to_parent integer not null,
    key text not null,
    value text not null,
    primary key (run, step, to_parent, key)
);

create index run_properties_to_parent on run_properties (run) where to_parent = 1;

create table run_files (
    run text not null,
    step text not null,
    to_parent integer not null,
    name text not null,
    value text not null,
    at double precision not null,
    primary key (run, step, to_parent, name)
);

create index run_files_to_parent on run_files (run) where to_parent = 1;

create table run_parameters (
    run text not null,
    name text not null,
    value text not null,
    number double precision,
    primary key (run, name)
);
create index run_parameters_by_value on run_parameters (name, value, run);
create index run_parameters_by_number on run_parameters (name, number, run);

create table metrics (
    run text not null,
    step text not null,
    name text not null,
    to_parent integer not null,
    kind text not null,
    points integer not null,
    chunks integer not null,
    last text not null,
    number double precision,
    lowest double precision,
    highest double precision,
    primary key (run, step, name, to_parent)
);
create index metrics_to_parent on metrics (run) where to_parent = 1;

create table metric_chunks (
    run text not null,
    step text not null,
    name text not null,
    to_parent integer not null,
    sequence integer not null,
    body text not null,
    primary key (run, step, name, to_parent, sequence)
);

create table run_metrics (
    run text not null,
    name text not null,
    number double precision,
    last text not null,
    primary key (run, name)
);
create index run_metrics_by_number on run_metrics (name, number, run);
