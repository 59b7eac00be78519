-- name: pin_run
update runs set pinned = ? where id = ? and removed_at is null

-- name: keep_compiled
insert into compiled_graphs (graph, compiled_at) values (?, ?)
on conflict (graph) do update set compiled_at = excluded.compiled_at

-- name: list_compiled
select graph, compiled_at from compiled_graphs

-- name: all_runs
select id, pipeline, graph, status, created_at, arguments, paths, outputs, pinned, removed_at from runs
where kind <> 'child'

-- name: all_children
select id, parent, parent_step from runs where kind = 'child'

-- name: children_made_by
select id, parent_step from runs where parent = ? and parent <> ''

-- name: told_steps_of
select step from metrics where run = ? union select step from run_tags where run = ?
union select step from run_properties where run = ? union select step from run_files where run = ?

-- name: delete_tags
delete from run_tags where run = ? and step = ?

-- name: delete_properties
delete from run_properties where run = ? and step = ?

-- name: delete_files
delete from run_files where run = ? and step = ?

-- name: delete_parameters
delete from run_parameters where run = ?

-- name: delete_run_metrics
delete from run_metrics where run = ?

-- name: all_steps
select run, step, status, key, original_run, original_step, attempt from step_runs

-- name: all_completions
select completions.run, completions.step, attempt, key, definition, outputs, seconds, reusable, doomed_at,
    coalesce(used_at, created_at) as noted_at, shown.at as shown_at
from completions
left join (
    select original_run, original_step, max(ended_at) as at from step_runs
    where status = 'Reused' group by original_run, original_step
) as shown on shown.original_run = completions.run and shown.original_step = completions.step

-- name: uses_by
select ended_at, original_run, original_step from step_runs where run = ? and status = 'Reused'

-- name: use_completion
update completions set used_at = ? where run = ? and step = ? and coalesce(used_at, created_at) < ?

-- name: drop_latest
delete from latest_steps where not exists (
    select 1 from step_runs where step_runs.run = latest_steps.run and step_runs.step = latest_steps.step
)

-- name: renew_latest
insert into latest_steps (pipeline, step, run)
select pipeline, step, max(run) from step_runs
where status in ('Completed', 'Reused') and not exists (
    select 1 from latest_steps where latest_steps.pipeline = step_runs.pipeline and latest_steps.step = step_runs.step
)
group by pipeline, step

-- name: all_claims
select claims.key, claims.run, claims.step, claims.epoch, runs.epoch as run_epoch, runs.status
from claims left join runs on runs.id = claims.run

-- name: all_losses
select blob from losses

-- name: document_sizes
select digest, length(body) as size from documents

-- name: log_sizes
select run, step, sum(length(body)) as size from logs group by run, step

-- name: hide_run
update runs set removed_at = ?, arguments = '{}', paths = '[]', outputs = '{}', failure = null, details = '{}', events = 0
where id = ?

-- name: revoke_completion
update completions set reusable = 0 where run = ? and step = ? and attempt = ?

-- name: doom_completion
update completions set doomed_at = ? where run = ? and step = ? and attempt = ? and reusable = 0

-- name: delete_completion
delete from completions where run = ? and step = ? and attempt = ? and reusable = 0

-- name: steps_of
select step from step_runs where run = ?

-- name: logged_steps_of
select distinct step from logs where run = ?

-- name: delete_step
delete from step_runs where run = ? and step = ?

-- name: delete_log
delete from logs where run = ? and step = ?

-- name: delete_events
delete from events where run = ?

-- name: delete_claims
delete from claims where run = ?

-- name: delete_run
delete from runs where id = ?

-- name: delete_document
delete from documents where digest = ?

-- name: delete_compiled
delete from compiled_graphs where graph = ?

-- name: add_loss
insert into losses (blob, found_at) values (?, ?) on conflict (blob) do nothing

-- name: drop_loss
delete from losses where blob = ?

-- name: all_events
select run, sequence, body from events order by run, sequence

-- name: event_counts
select id, events from runs where removed_at is null and kind <> 'child'

-- name: end_claim
delete from claims where key = ?
