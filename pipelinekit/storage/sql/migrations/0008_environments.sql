-- Environments by name and version, which never change; numbers are not given again. `environment_locks` holds what a
-- definition was resolved to, whether it is registered or not. Texts named body are JSON.

create table environment_names (
    name text primary key,
    versions integer not null
);

create table environments (
    name text not null references environment_names (name),
    version integer not null,
    digest text not null,
    body text not null,
    created_at double precision not null,
    primary key (name, version)
);

create table environment_locks (
    resolution text primary key,
    environment text not null,
    body text not null,
    resolved_at double precision not null
);

-- How the source folder of a run differed from its commit, as JSON; only of runs that executed something.
create table run_changes (
    run text primary key,
    body text not null
);
