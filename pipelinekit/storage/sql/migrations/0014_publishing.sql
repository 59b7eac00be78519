-- Pipelines as they were published, and the endpoints under which they are called. An archived endpoint has no name
-- that counts (`folded` is null), so that others may have it.

create table published_pipelines (
    id text primary key,
    name text not null,
    graph text not null,
    status text not null,
    given text not null,
    paths text not null,
    body text not null,
    created_at double precision not null,
    updated_at double precision not null
);

create index published_pipelines_by_name on published_pipelines (name, id);

create table pipeline_endpoints (
    id text primary key,
    folded text unique,
    name text not null,
    status text not null,
    default_version integer not null,
    body text not null,
    created_at double precision not null,
    updated_at double precision not null
);

create table endpoint_versions (
    endpoint text not null,
    number integer not null,
    pipeline text not null,
    added_at double precision not null,
    added_by text not null,
    primary key (endpoint, number)
);

create unique index endpoint_versions_by_pipeline on endpoint_versions (pipeline, endpoint);
