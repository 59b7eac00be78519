-- name: last_log
select coalesce(max(sequence), 0) as sequence from logs where run = ? and step = ?

-- name: add_log
insert into logs (run, step, sequence, attempt, stream, at, body) values (?, ?, ?, ?, ?, ?, ?)

-- name: read_log
select sequence, attempt, stream, body from logs where run = ? and step = ? and sequence > ? order by sequence

-- name: log_size
select coalesce(sum(length(cast(body as blob))), 0) as size from logs where run = ? and step = ? and attempt = ?
