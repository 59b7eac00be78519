-- Servers see to queued runs. Each renews its row as a driver renews its lease; rows of dead ones are swept by others.

create table servers (
    owner text primary key,
    host text not null,
    pid integer not null,
    since double precision not null,
    running integer not null,
    most integer not null,
    lease_until double precision not null,
    renewed_at double precision not null
);
