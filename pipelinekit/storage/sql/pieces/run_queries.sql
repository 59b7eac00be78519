-- Pieces that `storage.run_queries` puts together; each is a whole condition or source on its own.

-- name: runs_by_time
select runs.* from runs where runs.removed_at is null

-- name: runs_by_tag
select runs.* from run_tags chosen join runs on runs.id = chosen.run
where chosen.step = '' and chosen.to_parent = 0 and chosen.key = ? and chosen.value = ? and runs.removed_at is null

-- name: runs_by_tag_key
select runs.* from run_tags chosen join runs on runs.id = chosen.run
where chosen.step = '' and chosen.to_parent = 0 and chosen.key = ? and runs.removed_at is null

-- name: runs_by_property
select runs.* from run_properties chosen join runs on runs.id = chosen.run
where chosen.step = '' and chosen.to_parent = 0 and chosen.key = ? and chosen.value = ? and runs.removed_at is null

-- name: runs_by_property_key
select runs.* from run_properties chosen join runs on runs.id = chosen.run
where chosen.step = '' and chosen.to_parent = 0 and chosen.key = ? and runs.removed_at is null

-- name: ended_badly
runs.status in ('Failed', 'Canceled')

-- name: runs_by_parameter_text
select runs.* from run_parameters chosen join runs on runs.id = chosen.run
where chosen.name = ? and chosen.value = ? and runs.removed_at is null

-- name: runs_by_parameter_number
select runs.* from run_parameters chosen join runs on runs.id = chosen.run
where chosen.name = ? and chosen.number = ? and runs.removed_at is null

-- name: runs_sorted_by_parameter
select runs.* from run_parameters chosen cross join runs
where runs.id = chosen.run and chosen.name = ? and chosen.number is not null and runs.removed_at is null

-- name: runs_sorted_by_metric
select runs.* from run_metrics chosen cross join runs
where runs.id = chosen.run and chosen.name = ? and chosen.number is not null and runs.removed_at is null

-- name: has_tag
exists (select 1 from run_tags told where told.run = runs.id and told.step = '' and told.to_parent = 0 and told.key = ?)

-- name: has_tag_value
exists (select 1 from run_tags told where told.run = runs.id and told.step = '' and told.to_parent = 0 and told.key = ?
    and told.value = ?)

-- name: has_property
exists (select 1 from run_properties told where told.run = runs.id and told.step = '' and told.to_parent = 0
    and told.key = ?)

-- name: has_property_value
exists (select 1 from run_properties told where told.run = runs.id and told.step = '' and told.to_parent = 0
    and told.key = ? and told.value = ?)

-- name: has_parameter_text
exists (select 1 from run_parameters told where told.run = runs.id and told.name = ? and told.value {op} ?)

-- name: has_parameter_number
exists (select 1 from run_parameters told where told.run = runs.id and told.name = ? and told.number {op} ?)

-- name: has_metric_text
exists (select 1 from run_metrics told where told.run = runs.id and told.name = ? and told.last {op} ?)

-- name: has_metric_number
exists (select 1 from run_metrics told where told.run = runs.id and told.name = ? and told.number {op} ?)

-- name: number_of_parameter
select number from run_parameters where run = ? and name = ?

-- name: number_of_metric
select number from run_metrics where run = ? and name = ?
