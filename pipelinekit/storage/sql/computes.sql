-- name: add_compute
insert into computes (folded, name, address, secrets, allow_plain, description, tags, created_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (folded) do nothing
returning name

-- name: list_computes
select * from computes order by folded

-- name: get_compute
select * from computes where folded = ?

-- name: replace_compute
update computes set address = ?, secrets = ?, allow_plain = ?, description = ?, tags = ? where folded = ?
returning name

-- name: delete_compute
delete from computes where folded = ? returning name
