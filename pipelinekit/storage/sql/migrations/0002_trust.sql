-- `revoked` says why a completion may no longer be reused; `verified` what a repeated execution showed. `observations`
-- holds sets of files (JSON) that a definition's executions opened without declaring them.

alter table completions add column revoked text not null default '';

alter table step_runs add column verified text not null default '';

create table observations (
    definition text not null,
    files text not null,
    primary key (definition, files)
);
