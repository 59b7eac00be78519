-- name: add_published
insert into published_pipelines (id, name, graph, status, given, paths, body, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: published_like
select * from published_pipelines where id >= ? and id < ? order by id limit 2

-- name: list_published
select * from published_pipelines order by id desc

-- name: list_published_of
select * from published_pipelines where name = ? order by id desc

-- name: replace_published
update published_pipelines set status = ?, body = ?, updated_at = ? where id = ?

-- name: delete_published
delete from published_pipelines where id = ?

-- name: all_published
select graph, given, paths from published_pipelines
union all
select graph, given, paths from pipeline_drafts

-- name: versions_of_pipeline
select pipeline_endpoints.name as endpoint, endpoint_versions.number from endpoint_versions
join pipeline_endpoints on pipeline_endpoints.id = endpoint_versions.endpoint
where pipeline = ? order by pipeline_endpoints.name

-- name: add_endpoint
insert into pipeline_endpoints (id, folded, name, status, default_version, body, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (folded) do nothing
returning id

-- name: get_endpoint
select pipeline_endpoints.*, number, pipeline, added_at, added_by from pipeline_endpoints
join endpoint_versions on endpoint = id where folded = ? or id = ? order by number

-- name: list_endpoints
select * from pipeline_endpoints order by case when folded is null then 1 else 0 end, folded, name, id

-- name: holder_of_endpoint_name
select id from pipeline_endpoints where folded = ?

-- name: replace_endpoint
update pipeline_endpoints set folded = ?, name = ?, status = ?, default_version = ?, body = ?, updated_at = ?
where id = ?

-- name: delete_endpoint
delete from pipeline_endpoints where id = ? returning id

-- name: add_endpoint_version
insert into endpoint_versions (endpoint, number, pipeline, added_at, added_by) values (?, ?, ?, ?, ?)
on conflict (endpoint, number) do nothing

-- name: all_endpoint_versions
select * from endpoint_versions order by endpoint, number

-- name: delete_endpoint_versions
delete from endpoint_versions where endpoint = ?
