-- Runs that fulfil one condition, which an index tells at once: where they are few, a list begins with them.

-- name: told_by_tag
select told.run from run_tags told where told.step = '' and told.to_parent = 0 and told.key = ? and told.value = ?

-- name: told_by_tag_key
select told.run from run_tags told where told.step = '' and told.to_parent = 0 and told.key = ?

-- name: told_by_property
select told.run from run_properties told
where told.step = '' and told.to_parent = 0 and told.key = ? and told.value = ?

-- name: told_by_property_key
select told.run from run_properties told where told.step = '' and told.to_parent = 0 and told.key = ?

-- name: told_by_parameter_text
select told.run from run_parameters told where told.name = ? and told.value = ?

-- name: told_by_parameter_number
select told.run from run_parameters told where told.name = ? and told.number {op} ?

-- name: told_by_metric_number
select told.run from run_metrics told where told.name = ? and told.number {op} ?

-- name: told_by_experiment
select told.id as run from runs told where told.experiment = ?

-- name: told_by_time
select told.id as run from runs told where told.id >= ? and told.id < ?

-- name: told_by_open
select told.id as run from runs told where told.status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')

-- name: told_by_bad_end
select told.id as run from runs told where told.status in ({statuses}) and told.status in ('Failed', 'Canceled')

-- name: how_many
select count(*) as found from (select 1 from ({told}) told_runs limit ?) few

-- name: runs_of_few
select runs.* from ({told}) few cross join runs where runs.id = few.run and runs.removed_at is null

-- name: runs_of_few_by_parameter
select runs.* from ({told}) few cross join run_parameters chosen cross join runs
where chosen.run = few.run and chosen.name = ? and chosen.number is not null and runs.id = chosen.run
    and runs.removed_at is null

-- name: runs_of_few_by_metric
select runs.* from ({told}) few cross join run_metrics chosen cross join runs
where chosen.run = few.run and chosen.name = ? and chosen.number is not null and runs.id = chosen.run
    and runs.removed_at is null
