-- Compute targets are found by `folded`, their name without regard to case. `definition` and `tags` are JSON; of
-- credentials the former holds names of secrets, never their values. The keeper of a cluster is a process that holds a
-- lease, as the driver of a run does; `said` is JSON: what it told last.

create table computes (
    folded text primary key,
    name text not null,
    kind text not null,
    definition text not null,
    description text not null,
    tags text not null,
    created_at double precision not null
);

create table compute_keepers (
    folded text primary key references computes (folded),
    wanted integer not null,
    owner text not null,
    epoch integer not null,
    lease_until double precision not null,
    renewed_at double precision not null,
    said text not null
);
