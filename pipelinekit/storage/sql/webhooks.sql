-- name: listeners
select 1 as listens from webhooks where state = 'Active'
union all
select 1 as listens from webhook_deliveries where run = ? and state = 'Waiting'
limit 1

-- name: add_webhook
insert into webhooks (id, folded, name, url, events, limits, names, state, secret_version, trouble, created_at,
    created_by, updated_at, previous_until)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing
returning id

-- name: find_webhook
select * from webhooks where id = ? or (folded = ? and state <> 'Deleted')

-- name: list_webhooks
select * from webhooks where state <> 'Deleted' order by folded, id

-- name: active_webhooks
select * from webhooks where state = 'Active' order by id

-- name: change_webhook
update webhooks set state = ?, trouble = ?, secret_version = ?, updated_at = ? where id = ? and state <> 'Deleted'

-- name: update_webhook
update webhooks set url = ?, events = ?, limits = ?, names = ?, secret_version = ?, previous_until = ?, updated_at = ?
where id = ? and state <> 'Deleted'

-- name: redirect_deliveries
update webhook_deliveries set url = ? where webhook = ? and state = 'Pending'

-- name: void_deliveries
update webhook_deliveries set state = 'Voided', answer = ?, ended_at = ? where webhook = ? and state = 'Pending'

-- name: allow_host
insert into webhook_hosts (host, port, added_at, added_by) values (?, ?, ?, ?) on conflict (host, port) do nothing

-- name: disallow_host
delete from webhook_hosts where host = ? and port = ?

-- name: allowed_hosts
select * from webhook_hosts order by host, port

-- name: add_delivery
insert into webhook_deliveries (id, webhook, url, event, run, body, state, tries, created_at, next_at, tried_at, ended_at,
    status, answer, owner, lease_until, renewed_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0)

-- name: end_waiting
update webhook_deliveries set state = 'Pending', event = ?, body = ?, next_at = ? where run = ? and state = 'Waiting'

-- name: due_deliveries
select * from webhook_deliveries where state = 'Pending' and next_at <= ? and url not in ({})
order by next_at, id limit ?

-- name: claim_delivery
update webhook_deliveries set owner = ?, lease_until = ?, renewed_at = ? where id = ?

-- name: settle_delivery
update webhook_deliveries set state = ?, tries = ?, next_at = ?, tried_at = ?, ended_at = ?, status = ?, answer = ?,
    owner = '', lease_until = 0, renewed_at = 0
where id = ? and state = 'Pending' and owner = ?

-- name: repeat_delivery
update webhook_deliveries set state = 'Pending', url = ?, tries = 0, next_at = ?, ended_at = null, status = 0,
    answer = '', owner = '', lease_until = 0, renewed_at = 0
where id = ? and state in ('Delivered', 'Failed', 'Voided')

-- name: newest_deliveries
select * from webhook_deliveries where webhook = ? order by created_at desc, id desc limit ?

-- name: find_delivery
select * from webhook_deliveries where id = ?

-- name: sweep_deliveries
delete from webhook_deliveries where ended_at is not null and ended_at < ?

-- name: stranded_deliveries
select webhook_deliveries.* from webhook_deliveries left join runs on runs.id = webhook_deliveries.run
where state = 'Waiting' and (runs.id is null or runs.status in ('Completed', 'Failed', 'Canceled'))
order by webhook_deliveries.id

-- name: told_run
select id, number, experiment, pipeline, kind, parent, display_name, status, created_at, started_at, ended_at, failure
from runs where id = ?

-- name: told_properties
select key, value from run_properties where run = ? and step = '' and to_parent = 0
