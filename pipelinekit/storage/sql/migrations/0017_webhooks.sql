-- Who is told of what happens. A webhook is found by `folded`, its name without regard to case; a deleted one leaves its
-- name and keeps its history. `events`, `limits` and `names` are JSON. Its signing secret lies sealed among the secrets.
-- A delivery is one message to one address, written in the transaction of what it tells of; it waits for the end of its
-- run, is pending, or has ended. Who sends it holds it by a lease, as a driver holds a run.

create table webhooks (
    id text primary key,
    folded text not null,
    name text not null,
    url text not null,
    events text not null,
    limits text not null,
    names text not null,
    state text not null,
    secret_version integer not null,
    trouble text not null,
    created_at double precision not null,
    created_by text not null,
    updated_at double precision not null
);

create unique index webhooks_by_name on webhooks (folded) where state <> 'Deleted';
create index webhooks_active on webhooks (id) where state = 'Active';

create table webhook_hosts (
    host text not null,
    port integer not null,
    added_at double precision not null,
    added_by text not null,
    primary key (host, port)
);

create table webhook_deliveries (
    id text primary key,
    webhook text not null,
    url text not null,
    event text not null,
    run text not null,
    body text not null,
    state text not null,
    tries integer not null,
    created_at double precision not null,
    next_at double precision not null,
    tried_at double precision,
    ended_at double precision,
    status integer not null,
    answer text not null,
    owner text not null,
    lease_until double precision not null,
    renewed_at double precision not null
);

create index webhook_deliveries_due on webhook_deliveries (next_at, id, url) where state = 'Pending';
create index webhook_deliveries_waiting on webhook_deliveries (run) where state = 'Waiting';
create index webhook_deliveries_by_webhook on webhook_deliveries (webhook, created_at);
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null;
