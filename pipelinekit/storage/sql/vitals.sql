-- name: count_ended_run
with ended as materialized (
    select status, count(*) as steps, coalesce(sum(seconds), 0.0) as seconds from step_runs where run = ? group by status
)
insert into totals (name, label, value)
select 'runs', status, 1.0 from runs where id = ? and kind <> 'child'
union all select 'steps', status, steps from ended where true
union all select 'step_seconds', status, seconds from ended where true
on conflict (name, label) do update set value = totals.value + excluded.value

-- name: count_total
insert into totals (name, label, value) values (?, ?, ?)
on conflict (name, label) do update set value = totals.value + excluded.value

-- name: set_total
insert into totals (name, label, value) values (?, ?, ?)
on conflict (name, label) do update set value = excluded.value

-- name: all_totals
select name, label, value from totals order by name, label

-- name: open_run_counts
select status, count(*) as runs, min(created_at) as oldest, count(case when owner <> '' then 1 end) as driven from runs
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested') and kind <> 'child' group by status

-- name: open_step_counts
select step_runs.status, count(*) as steps from runs cross join step_runs
where step_runs.run = runs.id and runs.status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')
    and step_runs.status in ('NotStarted', 'Queued', 'Running')
group by step_runs.status

-- name: pending_counts
select count(*) as ticks, min(due) as oldest from schedule_ticks where disposition = 'Pending' and not_before <= ?

-- name: records_size
select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()
