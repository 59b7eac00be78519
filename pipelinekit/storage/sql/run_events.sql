-- name: events_after
select sequence, at, body from events where run = ? and sequence > ? order by sequence limit ?

-- name: progress_of_runs
select id, events, status from runs where id in ({})
