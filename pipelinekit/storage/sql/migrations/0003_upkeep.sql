-- Times are seconds since 1970, UTC. Of a run that was removed a row stays for as long as a result of it is kept.

alter table runs add column pinned integer not null default 0;

alter table runs add column removed_at double precision;

alter table completions add column used_at double precision;

alter table completions add column doomed_at double precision;

create table compiled_graphs (
    graph text primary key,
    compiled_at double precision not null
);

create table losses (
    blob text primary key,
    found_at double precision not null
);

create index step_runs_shown on step_runs (original_run, original_step) where status = 'Reused';
