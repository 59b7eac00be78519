-- name: count_take
insert into instance (id, generation, taken) values (1, 1, 1)
on conflict (id) do update set taken = instance.taken + 1
returning generation, taken

-- name: next_generation
update instance set generation = ?, taken = ? where id = 1

-- name: fail_forgotten_runs
update runs set status = 'Failed', failure = ?, ended_at = ?, owner = '', lease_until = 0
where status in ('Running', 'CancelRequested')
returning id

-- name: jump_epochs
update runs set epoch = epoch + 1000000
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested')
