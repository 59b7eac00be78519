-- name: keep_changes
insert into run_changes (run, body)
select id, ? from runs where id = ? and removed_at is null
on conflict (run) do update set body = excluded.body

-- name: get_changes
select body from run_changes where run = ?

-- name: delete_changes
delete from run_changes where run = ?
