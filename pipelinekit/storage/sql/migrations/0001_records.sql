-- Times are seconds since 1970, UTC. Texts named arguments, outputs, options, failure, reasons, paths, details, body are JSON.

create table experiments (
    name text primary key,
    runs integer not null,
    created_at double precision not null
);

create table runs (
    id text primary key,
    number integer not null,
    experiment text not null references experiments (name),
    pipeline text not null,
    graph text not null,
    status text not null,
    created_at double precision not null,
    started_at double precision,
    ended_at double precision,
    arguments text not null,
    paths text not null,
    outputs text not null,
    options text not null,
    failure text,
    source text not null,
    details text not null,
    owner text not null,
    epoch integer not null,
    lease_until double precision not null,
    renewed_at double precision not null,
    cancel_requested integer not null,
    events integer not null
);
create index runs_of_experiment on runs (experiment, id);
create index runs_open on runs (id) where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested');

create table step_runs (
    run text not null references runs (id),
    step text not null,
    pipeline text not null,
    node integer not null,
    element integer not null,
    status text not null,
    key text not null,
    attempt integer not null,
    original_run text not null,
    original_step text not null,
    started_at double precision,
    ended_at double precision,
    seconds double precision not null,
    reasons text not null,
    failure text,
    note text not null,
    primary key (run, step)
);
create index step_runs_good on step_runs (pipeline, step, run) where status in ('Completed', 'Reused');

create table completions (
    run text not null references runs (id),
    step text not null,
    attempt integer not null,
    key text not null,
    definition text not null,
    outputs text not null,
    seconds double precision not null,
    created_at double precision not null,
    reusable integer not null,
    primary key (run, step, attempt)
);
create unique index completions_reusable on completions (key) where reusable = 1;
create index completions_of_definition on completions (definition, created_at);

create table claims (
    key text primary key,
    run text not null references runs (id),
    epoch integer not null,
    step text not null
);
create index claims_of_run on claims (run);

create table documents (
    digest text primary key,
    body text not null
);

create table events (
    run text not null references runs (id),
    sequence integer not null,
    at double precision not null,
    body text not null,
    primary key (run, sequence)
);

create table logs (
    run text not null,
    step text not null,
    sequence integer not null,
    attempt integer not null,
    stream text not null,
    at double precision not null,
    body text not null,
    primary key (run, step, sequence)
);
