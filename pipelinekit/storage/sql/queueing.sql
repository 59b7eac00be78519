-- name: run_limits
select kind, name, most from run_limits

-- name: put_run_limit
insert into run_limits (kind, name, most) values (?, ?, ?)
on conflict (kind, name) do update set most = excluded.most

-- name: drop_run_limit
delete from run_limits where kind = ? and name = ?

-- name: hold_place
update runs set owner = ?, lease_until = ?, renewed_at = ?
where id = ? and status in ('NotStarted', 'Queued') and owner in ('', ?)
returning cancel_requested

-- name: put_back_run
update runs set status = 'Queued', owner = '', epoch = epoch + 1, lease_until = 0, renewed_at = 0, fruitless = fruitless - 1,
    started_at = case when exists (select 1 from step_runs where run = runs.id) then started_at else null end
where id = ? and epoch = ? and status = 'Running'

-- name: tell_waits
update runs set waits_for = ? where id = ? and epoch = ? and status in ('Running', 'CancelRequested')
returning id

-- name: runs_that_wait
select id, waits_for from runs where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested') and status = 'Running'
    and waits_for <> ''

-- name: leave_place
update runs set owner = '', lease_until = 0, renewed_at = 0
where id = ? and owner = ? and status in ('NotStarted', 'Queued')
