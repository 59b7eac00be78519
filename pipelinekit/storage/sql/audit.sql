-- name: last_audit
select number, digest from audit order by number desc limit 1

-- name: add_audit
insert into audit (number, at, actor, token, source, request, action, object, outcome, reason,
    before_digest, after_digest, previous, digest)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: audit_after
select * from audit where number > ? order by number limit ?

-- name: audit_before
select * from audit where number < ? order by number desc limit ?

-- name: find_audit
select * from audit where digest = ?
