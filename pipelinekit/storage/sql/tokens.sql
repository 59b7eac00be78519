-- name: retire_expired_token
update tokens set revoked_at = expires_at where folded = ? and revoked_at is null and expires_at <= ?

-- name: add_token
insert into tokens (id, folded, name, kind, role, endpoint, digest, created_at, created_by, expires_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing
returning id

-- name: get_token
select * from tokens where id = ?

-- name: list_tokens
select * from tokens order by folded, created_at, id

-- name: revoke_token
update tokens set revoked_at = ? where id = ? and revoked_at is null
returning id

-- name: use_token
update tokens set last_used = ? where id = ? and (last_used is null or last_used <= ?)
returning id
