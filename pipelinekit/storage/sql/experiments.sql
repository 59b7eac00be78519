-- name: list_experiments
select name, runs from experiments
where exists (select 1 from runs where runs.experiment = experiments.name and runs.removed_at is null) order by name

-- name: experiments_like
select experiments.*, (
    select max(runs.created_at) from runs where runs.experiment = experiments.name and runs.removed_at is null
) as newest, (
    select most from run_limits where run_limits.kind = 'experiment' and run_limits.name = experiments.name
) as most
from experiments where ? = '' or name = ?
order by newest desc, name

-- name: tags_of_experiments
select experiment, key, value from experiment_tags where ? = '' or experiment = ? order by key

-- name: archive_experiment
update experiments set archived_at = ? where name = ?

-- name: describe_experiment
update experiments set description = ? where name = ?

-- name: put_experiment_tag
insert into experiment_tags (experiment, key, value) values (?, ?, ?)
on conflict (experiment, key) do update set value = excluded.value

-- name: drop_experiment_tag
delete from experiment_tags where experiment = ? and key = ?

-- name: make_experiment
insert into experiments (name, runs, created_at) values (?, 0, ?) on conflict (name) do nothing

-- name: delete_experiment
delete from experiments where name = ? and not exists (select 1 from runs where runs.experiment = experiments.name)

-- name: delete_experiment_tags
delete from experiment_tags where experiment = ?
