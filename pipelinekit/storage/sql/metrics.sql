-- name: add_points
insert into metrics (run, step, name, to_parent, kind, points, chunks, last, number, lowest, highest)
values (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)
on conflict (run, step, name, to_parent) do update set points = metrics.points + excluded.points,
    chunks = metrics.chunks + 1, last = excluded.last, number = excluded.number,
    lowest = case when metrics.lowest is null or excluded.lowest < metrics.lowest then excluded.lowest
        else metrics.lowest end,
    highest = case when metrics.highest is null or excluded.highest > metrics.highest then excluded.highest
        else metrics.highest end
returning chunks

-- name: add_chunk
insert into metric_chunks (run, step, name, to_parent, sequence, body) values (?, ?, ?, ?, ?, ?)

-- name: drop_metrics
delete from metrics where run = ? and step = ?

-- name: drop_chunks
delete from metric_chunks where run = ? and step = ?

-- name: metrics_of_step
select * from metrics where run = ? and step = ? and to_parent = 0 order by name

-- name: metrics_of_run
select metrics.* from metrics where run = ? and step = ''
union all
select metrics.* from step_runs
join metrics on metrics.run = case when original_run = '' then step_runs.run else original_run end
    and metrics.step = case when original_run = '' then step_runs.step else original_step end
    and metrics.to_parent = 1
where step_runs.run = ?
order by name, step

-- name: metrics_of_only_step
select metrics.* from step_runs
join metrics on metrics.run = case when original_run = '' then step_runs.run else original_run end
    and metrics.step = case when original_run = '' then step_runs.step else original_step end
    and metrics.to_parent = 0
where step_runs.run = ?
    and (select count(*) from (select 1 from step_runs of_run where of_run.run = ? limit 2) few) = 1
order by name

-- name: steps_with_metrics
select step_runs.step, metrics.* from step_runs
join metrics on metrics.run = case when original_run = '' then step_runs.run else original_run end
    and metrics.step = case when original_run = '' then step_runs.step else original_step end
    and metrics.to_parent = 0
where step_runs.run = ?
order by node, element, metrics.name

-- name: read_chunks
select body from metric_chunks where run = ? and step = ? and name = ? and to_parent = ? order by sequence

-- name: gather_metrics_of_only_step
insert into run_metrics (run, name, number, last)
select step_runs.run, metrics.name, metrics.number, metrics.last
from step_runs
join metrics on metrics.run = case when original_run = '' then step_runs.run else original_run end
    and metrics.step = case when original_run = '' then step_runs.step else original_step end
    and metrics.to_parent = 0
where step_runs.run = ?
    and (select count(*) from (select 1 from step_runs of_run where of_run.run = ? limit 2) few) = 1
on conflict (run, name) do update set number = excluded.number, last = excluded.last

-- name: gather_metrics
insert into run_metrics (run, name, number, last)
select step_runs.run, metrics.name, max(metrics.number), max(metrics.last)
from step_runs
join metrics on metrics.run = case when original_run = '' then step_runs.run else original_run end
    and metrics.step = case when original_run = '' then step_runs.step else original_step end
    and metrics.to_parent = 1
where step_runs.run = ? and exists (select 1 from metrics told where told.to_parent = 1)
group by step_runs.run, metrics.name
on conflict (run, name) do update set number = excluded.number, last = excluded.last

-- name: gather_own_metrics
insert into run_metrics (run, name, number, last)
select run, name, number, last from metrics where run = ? and step = ''
on conflict (run, name) do update set number = excluded.number, last = excluded.last
