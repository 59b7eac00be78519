-- name: count_dataset_version
insert into datasets (name, versions) values (?, 1)
on conflict (name) do update set versions = datasets.versions + 1
returning versions

-- name: add_dataset_version
insert into dataset_versions (name, version, definition, definition_digest, content, files, file_count, size, single,
    types, profile, description, tags, created_at, run, step, value)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: dataset_version
select * from dataset_versions where name = ? and version = ?

-- name: newest_dataset_version
select * from dataset_versions where name = ? order by version desc limit 1

-- name: dataset_versions_alike
select * from dataset_versions where definition_digest = ? and content = ? order by created_at, name, version

-- name: list_dataset_versions
select name, version, definition, content, '[]' as files, file_count, size, single, types, profile, description, tags,
    created_at, run, step, value
from dataset_versions where ? = '' or name = ? order by name, version desc

-- name: dataset_files
select files, value from dataset_versions

-- name: update_dataset_version
update dataset_versions set description = ?, tags = ?, types = ?, profile = ? where name = ? and version = ?

-- name: delete_dataset_versions
delete from dataset_versions where name = ? and (? = 0 or version = ?)

-- name: add_dataset_use
insert into dataset_uses (run, direction, place, name, version) values (?, ?, ?, ?, ?)
on conflict (run, direction, place, name, version) do nothing

-- name: dataset_uses
select dataset_uses.* from dataset_uses
join runs on runs.id = dataset_uses.run and runs.removed_at is null
where (? = '' or run = ?) and (? = '' or name = ?) and (? = 0 or version = ?)
order by run desc, direction, place, name, version
