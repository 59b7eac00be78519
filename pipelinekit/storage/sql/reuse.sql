-- name: find_completions
select key, run, step, outputs, seconds, attempt, created_at from completions where reusable = 1 and key in ({})

-- name: claims_held
select claims.key, claims.run, claims.step, claims.epoch, runs.owner, runs.epoch as run_epoch, runs.lease_until, runs.renewed_at, runs.status
from claims join runs on runs.id = claims.run where claims.key in ({})

-- name: put_claim
insert into claims (key, run, epoch, step) values (?, ?, ?, ?)
on conflict (key) do update set run = excluded.run, epoch = excluded.epoch, step = excluded.step

-- name: end_claims
delete from claims where run = ? and epoch = ? and key in ({}) returning key

-- name: supersede
update completions set reusable = 0 where reusable = 1 and key in ({})

-- name: kept_completions
select completions.key, completions.run, completions.step, completions.created_at, runs.pipeline, step_runs.reasons
from completions join runs on runs.id = completions.run
left join step_runs on step_runs.run = completions.run and step_runs.step = completions.step
where completions.reusable = 1 order by completions.created_at, completions.key

-- name: revoke
update completions set reusable = 0, revoked = ? where key = ? and reusable = 1

-- name: revoked
select key, revoked from completions where revoked != '' and key in ({}) order by created_at

-- name: add_completion
insert into completions (run, step, attempt, key, definition, outputs, seconds, created_at, reusable)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (run, step, attempt) do nothing

-- name: observe
insert into observations (definition, files) values (?, ?) on conflict (definition, files) do nothing

-- name: observed
select definition, files from observations where definition in ({})

-- name: run_before
select id from runs where pipeline = ? and id < ? order by id desc limit 1

-- name: good_steps_of_run
with wanted (step) as (values {})
select step_runs.* from wanted
join step_runs on step_runs.run = ? and step_runs.step = wanted.step
where step_runs.status in ('Completed', 'Reused')

-- name: latest_steps
with wanted (step) as (values {})
select step_runs.* from wanted
join latest_steps on latest_steps.pipeline = ? and latest_steps.step = wanted.step
join step_runs on step_runs.run = latest_steps.run and step_runs.step = latest_steps.step

-- name: put_latest
insert into latest_steps (pipeline, step, run) values (?, ?, ?)
on conflict (pipeline, step) do update set run = excluded.run where excluded.run > latest_steps.run

-- name: definition_times
with asked (definition) as (values {})
select definition, (
    select avg(seconds) from (
        select seconds from completions where completions.definition = asked.definition
        order by created_at desc limit ?
    ) as newest
) as seconds from asked
where exists (select 1 from completions where completions.definition = asked.definition)

-- name: drop_claims
delete from claims where key = ? and run = ? and epoch = ?
