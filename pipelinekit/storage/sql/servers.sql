-- name: tell_server
insert into servers (owner, host, pid, since, running, most, lease_until, renewed_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (owner) do update set running = excluded.running, most = excluded.most,
    lease_until = excluded.lease_until, renewed_at = excluded.renewed_at

-- name: list_servers
select * from servers order by since, owner

-- name: withdraw_server
delete from servers where owner = ?
