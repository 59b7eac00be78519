-- name: put_tag
insert into run_tags (run, step, to_parent, key, value) values (?, ?, ?, ?, ?)
on conflict (run, step, to_parent, key) do update set value = excluded.value

-- name: drop_tag
delete from run_tags where run = ? and step = ? and key = ?

-- name: add_property
insert into run_properties (run, step, to_parent, key, value) values (?, ?, ?, ?, ?)
on conflict (run, step, to_parent, key) do nothing

-- name: put_file
insert into run_files (run, step, to_parent, name, value, at) values (?, ?, ?, ?, ?, ?)
on conflict (run, step, to_parent, name) do update set value = excluded.value, at = excluded.at

-- name: tags_of
select key, value from run_tags where run = ? and step = ? and to_parent = 0 order by key

-- name: properties_of
select key, value from run_properties where run = ? and step = ? and to_parent = 0 order by key

-- name: files_of
select name, value from run_files where run = ? and step = ? and to_parent = 0 order by name

-- name: all_files
select run, step, value from run_files

-- name: gather_tags
insert into run_tags (run, step, to_parent, key, value)
select step_runs.run, '', 0, told.key, told.value
from step_runs join run_tags told on told.run = original_run and told.step = original_step and told.to_parent = 1
where step_runs.run = ? and step_runs.status = 'Reused' and exists (select 1 from run_tags any_told where any_told.to_parent = 1)
on conflict (run, step, to_parent, key) do nothing

-- name: gather_properties
insert into run_properties (run, step, to_parent, key, value)
select step_runs.run, '', 0, told.key, told.value
from step_runs join run_properties told on told.run = original_run and told.step = original_step and told.to_parent = 1
where step_runs.run = ? and step_runs.status = 'Reused' and exists (select 1 from run_properties any_told where any_told.to_parent = 1)
on conflict (run, step, to_parent, key) do nothing

-- name: gather_files
insert into run_files (run, step, to_parent, name, value, at)
select step_runs.run, '', 0, told.name, told.value, told.at
from step_runs join run_files told on told.run = original_run and told.step = original_step and told.to_parent = 1
where step_runs.run = ? and step_runs.status = 'Reused' and exists (select 1 from run_files any_told where any_told.to_parent = 1)
on conflict (run, step, to_parent, name) do nothing

-- name: name_run
update runs set display_name = ? where id = ?

-- name: describe_run
update runs set description = ? where id = ?

-- name: add_parameter
insert into run_parameters (run, name, value, number) values (?, ?, ?, ?)

-- name: add_child
insert into runs (id, number, experiment, pipeline, graph, status, created_at, started_at, ended_at, arguments, paths,
    outputs, options, failure, source, details, owner, epoch, lease_until, renewed_at, cancel_requested, events, kind,
    parent, parent_step, display_name)
select ?, 0, experiment, pipeline, '', 'Running', ?, ?, null, '{}', '[]', '{}', options, null, '', '{}', owner, epoch,
    lease_until, renewed_at, 0, 0, 'child', ?, ?, ?
from runs where id = ?
on conflict (id) do nothing

-- name: end_child
update runs set status = ?, ended_at = ?, failure = ?, owner = '', lease_until = 0
where id = ? and status = 'Running' and kind = 'child'

-- name: end_children_of
update runs set status = 'Failed', failure = ?, ended_at = ?, owner = '', lease_until = 0
where owner = ? and status = 'Running' and kind = 'child'

-- name: children_of
select * from runs where parent = ? and (? = '' or parent_step = ?) and removed_at is null order by created_at, id
