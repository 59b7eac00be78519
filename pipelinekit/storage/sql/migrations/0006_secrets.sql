-- The values of secrets, encrypted with a key that is kept elsewhere. A deleted secret stays as a row without a value, so
-- that its version numbers are not given again.

create table secrets (
    name text primary key,
    version integer not null,
    sealed text,
    updated_at double precision not null,
    updated_by text not null
);
