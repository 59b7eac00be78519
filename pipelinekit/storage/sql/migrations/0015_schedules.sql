-- Schedules are found by `folded`, their name without regard to case; a deleted one leaves its name and keeps its history.
-- `spec`, `tags` and `watched` (what was seen of data) are JSON. A tick is one instant and what became of it; a range is several with one disposition. What
-- was due until `high_water` is in one of them. `origin` tells what came due (empty) from what somebody asked for. No
-- instant is fired twice, whatever version of the schedule it is of: an index of its own sees to that.

create table schedules (
    id text primary key,
    folded text not null,
    name text not null,
    state text not null,
    spec text not null,
    spec_version integer not null,
    version integer not null,
    high_water double precision not null,
    description text not null,
    tags text not null,
    trouble text not null,
    watched text not null,
    created_at double precision not null,
    updated_at double precision not null
);

create unique index schedules_by_name on schedules (folded) where state <> 'Deleted';

create table schedule_ticks (
    schedule text not null references schedules (id),
    spec_version integer not null,
    due double precision not null,
    origin text not null,
    disposition text not null,
    run text not null,
    reason text not null,
    not_before double precision not null,
    planned_at double precision not null,
    decided_at double precision,
    parameters text not null,
    outcome text not null,
    zone_version text not null,
    primary key (schedule, spec_version, due, origin)
);

create unique index schedule_ticks_fired on schedule_ticks (schedule, due, origin) where disposition = 'Fired';
create index schedule_ticks_pending on schedule_ticks (schedule, due) where disposition = 'Pending';
create index schedule_ticks_open on schedule_ticks (schedule, due) where disposition = 'Fired' and outcome = '';
create index schedule_ticks_by_due on schedule_ticks (schedule, due);

create table schedule_ranges (
    schedule text not null references schedules (id),
    spec_version integer not null,
    first_due double precision not null,
    last_due double precision not null,
    instants integer not null,
    disposition text not null,
    reason text not null,
    decided_at double precision not null,
    primary key (schedule, spec_version, first_due)
);

create table schedule_backfills (
    schedule text not null references schedules (id),
    number integer not null,
    since double precision not null,
    until double precision not null,
    missing_only integer not null,
    at_once integer not null,
    created_at double precision not null,
    primary key (schedule, number)
);

create table tickers (
    name text primary key,
    owner text not null,
    epoch integer not null,
    lease_until double precision not null,
    renewed_at double precision not null
);
