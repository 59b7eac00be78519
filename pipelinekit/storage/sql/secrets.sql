-- name: list_secrets
select name, version, updated_at, updated_by from secrets where sealed is not null order by name

-- name: secret_versions
select name, version from secrets where sealed is not null and name in ({})

-- name: sealed_secrets
select name, version, sealed from secrets where sealed is not null order by name

-- name: last_secret_version
select version from secrets where name = ?

-- name: put_secret
insert into secrets (name, version, sealed, updated_at, updated_by) values (?, ?, ?, ?, ?)
on conflict (name) do update set version = excluded.version, sealed = excluded.sealed,
    updated_at = excluded.updated_at, updated_by = excluded.updated_by

-- name: reseal_secret
update secrets set sealed = ? where name = ? and sealed is not null

-- name: delete_secret
update secrets set sealed = null, updated_at = ?, updated_by = ? where name = ? and sealed is not null
