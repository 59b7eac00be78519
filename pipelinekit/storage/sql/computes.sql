-- name: add_compute
insert into computes (folded, name, kind, definition, description, tags, created_at)
values (?, ?, ?, ?, ?, ?, ?)
on conflict (folded) do nothing
returning name

-- name: list_computes
select * from computes order by folded

-- name: get_compute
select * from computes where folded = ?

-- name: replace_compute
update computes set definition = ?, description = ?, tags = ? where folded = ? and kind = ?
returning name

-- name: delete_compute
delete from computes where folded = ? returning name

-- name: want_keeper
insert into compute_keepers (folded, wanted, owner, epoch, lease_until, renewed_at, said)
values (?, ?, '', 0, 0, 0, '')
on conflict (folded) do update set wanted = excluded.wanted

-- name: get_keeper
select * from compute_keepers where folded = ?

-- name: take_keeper
update compute_keepers set owner = ?, epoch = epoch + 1, lease_until = ?, renewed_at = ?, said = ''
where folded = ? and epoch = ?
returning epoch

-- name: renew_keeper
update compute_keepers set lease_until = ?, renewed_at = ?, said = ? where folded = ? and epoch = ?
returning wanted

-- name: release_keeper
update compute_keepers set owner = '', lease_until = 0, said = '' where folded = ? and epoch = ?

-- name: delete_keeper
delete from compute_keepers where folded = ?
