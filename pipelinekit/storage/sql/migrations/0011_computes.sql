-- Compute targets are found by `folded`, their name without regard to case. `secrets` and `tags` are JSON; the former
-- holds names of secrets, never their values.

create table computes (
    folded text primary key,
    name text not null,
    address text not null,
    secrets text not null,
    allow_plain integer not null,
    description text not null,
    tags text not null,
    created_at double precision not null
);
