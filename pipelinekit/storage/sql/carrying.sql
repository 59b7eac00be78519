-- name: completed_before
select * from runs
where pipeline = ? and id < ? and status = 'Completed' and removed_at is null and kind = 'pipeline' order by id desc limit 1

-- name: spent_steps
select step_runs.node, completions.outputs
from step_runs
left join completions on completions.run = case when original_run = '' then step_runs.run else original_run end
    and completions.step = case when original_run = '' then step_runs.step else original_step end
    and completions.key = step_runs.key and completions.reusable = 1
where step_runs.run = ? and step_runs.status <> 'Skipped'
    and (completions.key is null or completions.outputs like '%"blob":%')

-- name: carry_steps
insert into step_runs (run, step, pipeline, node, element, status, key, attempt, original_run, original_step, started_at,
    ended_at, seconds, reasons, failure, note, verified)
select ?, step, pipeline, node, element, case when status = 'Skipped' then status else 'Reused' end, key, 0,
    case when status = 'Skipped' then '' when original_run = '' then run else original_run end,
    case when status = 'Skipped' then '' when original_run = '' then step else original_step end,
    null, ?, seconds, '[]', null, case when status = 'Skipped' then note else '' end, ''
from step_runs where run = ? and node not in (select value from json_each(?))

-- name: carried_counts
select count(*) as steps, count(case when status = 'Skipped' then 1 end) as skipped, coalesce(sum(seconds), 0.0) as seconds
from step_runs where run = ?

-- name: statuses_of_run
select step, node, status from step_runs where run = ? order by node, element

-- name: carried_steps
select node, element, status, original_run, original_step, completions.outputs
from step_runs
left join completions on completions.run = original_run and completions.step = original_step
    and completions.key = step_runs.key and completions.reusable = 1
where step_runs.run = ?
order by node, element
