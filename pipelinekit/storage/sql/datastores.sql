-- name: put_datastore
insert into datastores (folded, name, url, options, secrets, allow_private, is_default, created_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (folded) do update set name = excluded.name, url = excluded.url, options = excluded.options,
    secrets = excluded.secrets, allow_private = excluded.allow_private, created_at = excluded.created_at

-- name: list_datastores
select * from datastores order by folded

-- name: get_datastore
select * from datastores where folded = ?

-- name: default_datastore
update datastores set is_default = case when folded = ? then 1 else 0 end

-- name: delete_datastore
delete from datastores where folded = ?
