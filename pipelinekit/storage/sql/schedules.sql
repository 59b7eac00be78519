-- name: add_schedule
insert into schedules (id, folded, name, state, spec, spec_version, version, high_water, description, tags, trouble,
    watched, created_at, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: find_schedule
select * from schedules where id = ? or (folded = ? and state <> 'Deleted')

-- name: list_schedules
select * from schedules order by folded, created_at, id

-- name: glance_at_schedules
select s.id, s.version,
    case when p.schedule is null then 0 else 1 end as pending, case when o.schedule is null then 0 else 1 end as open
from schedules s
left join (select distinct schedule from schedule_ticks where disposition = 'Pending') p on p.schedule = s.id
left join (
    select distinct schedule from schedule_ticks where disposition = 'Fired' and outcome = ''
) o on o.schedule = s.id
where s.state = 'Active' or p.schedule is not null or o.schedule is not null
order by s.folded, s.created_at, s.id

-- name: some_schedules
select * from schedules where id in ({})

-- name: change_schedule
update schedules set folded = ?, name = ?, state = ?, spec = ?, spec_version = ?, version = version + 1, high_water = ?,
    description = ?, tags = ?, trouble = ?, watched = ?, updated_at = ?
where id = ? and version = ?
returning version

-- name: add_tick
insert into schedule_ticks (schedule, spec_version, due, origin, disposition, run, reason, not_before, planned_at,
    decided_at, parameters, outcome, zone_version)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (schedule, spec_version, due, origin) do nothing

-- name: add_range
insert into schedule_ranges (schedule, spec_version, first_due, last_due, instants, disposition, reason, decided_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (schedule, spec_version, first_due) do nothing

-- name: void_due_ticks
update schedule_ticks set disposition = 'Voided', reason = ?, decided_at = ?
where schedule = ? and disposition = 'Pending' and origin = ''

-- name: void_ticks
update schedule_ticks set disposition = 'Voided', reason = ?, decided_at = ?
where schedule = ? and disposition = 'Pending'

-- name: pending_ticks
select * from schedule_ticks where schedule = ? and disposition = 'Pending' order by due, origin

-- name: pending_tick
select schedule from schedule_ticks
where schedule = ? and spec_version = ? and due = ? and origin = ? and disposition = 'Pending'

-- name: decide_tick
update schedule_ticks set disposition = ?, run = ?, reason = ?, decided_at = ?, parameters = ?
where schedule = ? and spec_version = ? and due = ? and origin = ? and disposition = 'Pending'

-- name: open_ticks
select * from schedule_ticks where schedule = ? and disposition = 'Fired' and outcome = '' order by due, origin

-- name: settle_tick
update schedule_ticks set outcome = ?
where schedule = ? and spec_version = ? and due = ? and origin = ? and disposition = 'Fired' and outcome = ''

-- name: fired_ticks
select due, run from schedule_ticks
where schedule = ? and due >= ? and due <= ? and disposition = 'Fired' and origin <> 'manual'
order by due, origin desc

-- name: previous_success
select due from schedule_ticks
where schedule = ? and due < ? and disposition = 'Fired' and outcome = 'Completed' and origin <> 'manual'
order by due desc limit 1

-- name: newest_ticks
select * from schedule_ticks where schedule = ? order by due desc, spec_version desc, origin limit ?

-- name: newest_ranges
select * from schedule_ranges where schedule = ? order by last_due desc, spec_version desc limit ?

-- name: add_backfill
insert into schedule_backfills (schedule, number, since, until, missing_only, at_once, created_at)
values (?, ?, ?, ?, ?, ?, ?)

-- name: list_backfills
select * from schedule_backfills where schedule = ? order by number

-- name: get_ticker
select * from tickers where name = ?

-- name: take_ticker
insert into tickers (name, owner, epoch, lease_until, renewed_at) values (?, ?, 1, ?, ?)
on conflict (name) do update set owner = excluded.owner, epoch = tickers.epoch + 1,
    lease_until = excluded.lease_until, renewed_at = excluded.renewed_at
returning epoch

-- name: renew_ticker
update tickers set lease_until = ?, renewed_at = ? where name = ? and epoch = ? and owner <> ''
returning epoch

-- name: release_ticker
update tickers set owner = '', lease_until = 0 where name = ? and epoch = ?
