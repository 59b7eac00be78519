-- name: environment_like
select version, body from environments where name = ? and digest = ? order by version desc limit 1

-- name: environment_names
select versions from environment_names where name = ?

-- name: count_environments
insert into environment_names (name, versions) values (?, ?)
on conflict (name) do update set versions = excluded.versions

-- name: add_environment
insert into environments (name, version, digest, body, created_at) values (?, ?, ?, ?, ?)

-- name: get_environment
select version, body from environments where name = ? and version = ?

-- name: newest_environment
select version, body from environments where name = ? order by version desc limit 1

-- name: list_environments
select name, version, body, created_at from environments where ? = '' or name = ? order by name, version desc

-- name: delete_environment
delete from environments where name = ? and version = ?

-- name: get_environment_lock
select body from environment_locks where resolution = ?

-- name: put_environment_lock
insert into environment_locks (resolution, environment, body, resolved_at) values (?, ?, ?, ?)
on conflict (resolution) do nothing

-- name: replace_environment_lock
insert into environment_locks (resolution, environment, body, resolved_at) values (?, ?, ?, ?)
on conflict (resolution) do update set environment = excluded.environment, body = excluded.body,
    resolved_at = excluded.resolved_at

-- name: list_environment_locks
select resolution, environment, body, resolved_at from environment_locks order by resolved_at, resolution
