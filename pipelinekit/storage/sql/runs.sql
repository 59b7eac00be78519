-- name: experiment_runs
select runs from experiments where name = ?

-- name: add_experiment
insert into experiments (name, runs, created_at) values (?, 1, ?)
on conflict (name) do update set runs = experiments.runs + 1, archived_at = null

-- name: add_run
insert into runs (id, number, experiment, pipeline, graph, status, created_at, started_at, ended_at, arguments, paths,
    outputs, options, failure, source, details, owner, epoch, lease_until, renewed_at, cancel_requested, events, kind,
    parent, parent_step, display_name, description, detached)
values (?, ?, ?, ?, ?, ?, ?, null, null, ?, ?, '{}', ?, null, ?, ?, '', 0, 0, 0, 0, 0, ?, ?, ?, ?, ?, ?)

-- name: runs_like
select * from runs where id >= ? and id < ? order by id limit 2

-- name: newest_run
select * from runs where removed_at is null and parent = '' order by id desc limit 1

-- name: steps_of_run
select step_runs.*, completions.outputs
from step_runs
left join completions on completions.run = case when original_run = '' then step_runs.run else original_run end
    and completions.step = case when original_run = '' then step_runs.step else original_step end
    and completions.attempt = (
        select max(attempt) from completions newest
        where newest.run = completions.run and newest.step = completions.step
    )
where step_runs.run = ?
order by node, element, step_runs.step

-- name: events_of_run
select at, body from events where run = ? order by sequence

-- name: request_cancel
update runs set cancel_requested = 1,
    status = case when status = 'Running' or owner = '' then 'CancelRequested' else status end
where id = ? and status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: cancel_waiting
update runs set status = 'Canceled', ended_at = ?, cancel_requested = 1
where id = ? and status in ('NotStarted', 'Queued') and owner = '' and not exists (
    select 1 from step_runs where run = runs.id and status in ('Queued', 'Running') and attempt > 0
)

-- name: count_last_event
update runs set events = events + 1 where id = ? returning events

-- name: run_lease
select status, owner, epoch, lease_until, renewed_at, cancel_requested from runs where id = ?

-- name: take_run
update runs set status = case when status in ('NotStarted', 'Queued') then 'Running' else status end, owner = ?,
    epoch = epoch + 1, lease_until = ?, renewed_at = ?, started_at = coalesce(started_at, ?), fruitless = fruitless + 1, waits_for = ''
where id = ? and epoch = ? and status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: renew_run
update runs set lease_until = ?, renewed_at = ?
where id = ? and epoch = ? and status in ('Running', 'CancelRequested')
returning cancel_requested

-- name: pipeline_of_run
select pipeline from runs where id = ?

-- name: count_event
update runs set events = events + 1
where id = ? and epoch = ? and status in ('Running', 'CancelRequested')
returning events

-- name: add_event
insert into events (run, sequence, at, body) values (?, ?, ?, ?)

-- name: put_step
insert into step_runs (run, step, pipeline, node, element, status, key, attempt, original_run, original_step, started_at,
    ended_at, seconds, reasons, failure, note, verified)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (run, step) do update set status = excluded.status, key = excluded.key, attempt = excluded.attempt,
    original_run = excluded.original_run, original_step = excluded.original_step, started_at = excluded.started_at,
    ended_at = excluded.ended_at, seconds = excluded.seconds, reasons = excluded.reasons, failure = excluded.failure,
    note = excluded.note, verified = excluded.verified
where step_runs.status in ('NotStarted', 'Queued', 'Running')
    or (step_runs.status in ('Completed', 'Reused') and excluded.status = 'Queued')
    or (step_runs.status = 'Reused' and excluded.status = 'Reused')

-- name: is_told
select case when exists (select 1 from metrics where to_parent = 1) or exists (select 1 from run_tags where to_parent = 1)
    or exists (select 1 from run_properties where to_parent = 1) or exists (select 1 from run_files where to_parent = 1)
    or exists (select 1 from metrics where run = ? and step = '')
    or exists (select 1 from metrics) and (select count(*) from (select 1 from step_runs where run = ? limit 2) few) = 1 then 1 else 0 end as told

-- name: finish_run
update runs set status = ?, outputs = ?, failure = ?, ended_at = ?, owner = '', lease_until = 0
where id = ? and epoch = ? and status in ('Running', 'CancelRequested')

-- name: drop_claims_of_run
delete from claims where run = ?

-- name: bear_fruit
update runs set fruitless = 0 where id = ?

-- name: open_runs
select id, status, owner, epoch, created_at, lease_until, renewed_at, cancel_requested, detached, fruitless, experiment, kind,
    options, started_at
from runs
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: has_open_runs
select id from runs where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested') limit 1

-- name: perhaps_lost_runs
select id, status, owner, epoch, created_at, lease_until, renewed_at, cancel_requested, detached, fruitless, options,
    started_at
from runs
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')
    and (owner <> '' or options like '%"max_queue_seconds"%')

-- name: due_runs
select id, status from runs
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested') and status <> 'Running'
    and kind = 'pipeline' and detached = 1 and owner = '' and case
        when renewed_at <> 0 then abs(? - renewed_at) >= ?
        when epoch > 0 then true
        else abs(? - created_at) >= ?
    end
order by status = 'CancelRequested' desc,
    case when options like '%"priority"%' then json_extract(options, '$.priority') else 0 end desc, id
limit ?

-- name: end_lost_run
update runs set status = ?, failure = ?, ended_at = ?, owner = '', epoch = epoch + 1, lease_until = 0
where id = ? and epoch = ? and status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: queue_lost_run
update runs set status = case when cancel_requested = 1 then 'CancelRequested' else 'Queued' end,
    owner = '', epoch = epoch + 1, lease_until = 0, renewed_at = 0
where id = ? and epoch = ? and status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: has_begun_steps
select 1 from step_runs where run = ? and status in ('Queued', 'Running') and attempt > 0 limit 1

-- name: hand_back_run
update runs set status = 'Queued', owner = '', epoch = epoch + 1, lease_until = 0, renewed_at = 0, fruitless = fruitless - 1
where id = ? and epoch = ? and status = 'Running' and detached = 1 and cancel_requested = 0

-- name: offer_run
update runs set renewed_at = ? where id = ? and owner = ''

-- name: end_lost_steps
update step_runs set status = 'Canceled', ended_at = ?, note = ?
where run = ? and status in ('NotStarted', 'Queued', 'Running')
returning step
