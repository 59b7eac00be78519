-- Times are seconds since 1970, UTC. Texts named options, secrets, definition, files, tags, profile, value are JSON. A
-- datastore is found by `folded`, its name without regard to case; `secrets` holds names of secrets, never their values.
-- `datasets` counts versions, also of those that are gone, so that no number means two things.

create table datastores (
    folded text primary key,
    name text not null,
    url text not null,
    options text not null,
    secrets text not null,
    allow_private integer not null,
    is_default integer not null,
    created_at double precision not null
);

create table datasets (
    name text primary key,
    versions integer not null
);

create table dataset_versions (
    name text not null references datasets (name),
    version integer not null,
    definition text not null,
    definition_digest text not null,
    content text not null,
    files text not null,
    file_count integer not null,
    size double precision not null,
    single integer not null,
    types text not null,
    profile text,
    description text not null,
    tags text not null,
    created_at double precision not null,
    run text not null,
    step text not null,
    value text,
    primary key (name, version)
);
create index dataset_versions_alike on dataset_versions (definition_digest, content);

create table dataset_uses (
    run text not null,
    direction text not null,
    place text not null,
    name text not null,
    version integer not null,
    primary key (run, direction, place, name, version)
);
create index dataset_uses_of on dataset_uses (name, version);
