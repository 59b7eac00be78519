-- name: uses_since
select runs.id, runs.pipeline, runs.created_at, step_runs.status, step_runs.seconds, step_runs.reasons
from runs join step_runs on step_runs.run = runs.id
where runs.removed_at is null and runs.created_at >= ? and step_runs.status in ('Completed', 'Reused', 'Failed')
order by runs.id, step_runs.node, step_runs.element, step_runs.step
