-- name: sweep_idempotency
delete from idempotency where expires_at <= ?

-- name: begin_idempotency
insert into idempotency (principal, scope, key, request, run, response, created_at, expires_at)
values (?, ?, ?, ?, '', null, ?, ?)
on conflict (principal, scope, key) do nothing
returning key

-- name: get_idempotency
select * from idempotency where principal = ? and scope = ? and key = ?

-- name: open_idempotency
select key from idempotency where principal = ? and scope = ? and key = ? and response is null

-- name: finish_idempotency
update idempotency set run = ?, response = ? where principal = ? and scope = ? and key = ?

-- name: abandon_idempotency
delete from idempotency where principal = ? and scope = ? and key = ? and response is null
returning key
