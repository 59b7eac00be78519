-- name: add_draft
insert into pipeline_drafts (id, name, graph, given, paths, body, version, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: draft_like
select * from pipeline_drafts where id >= ? and id < ? order by id limit 2

-- name: list_drafts
select * from pipeline_drafts order by id desc

-- name: list_drafts_of
select * from pipeline_drafts where name = ? order by id desc

-- name: replace_draft
update pipeline_drafts set name = ?, graph = ?, given = ?, paths = ?, body = ?, version = ?, updated_at = ?
where id = ? and version = ?

-- name: delete_draft
delete from pipeline_drafts where id = ?
