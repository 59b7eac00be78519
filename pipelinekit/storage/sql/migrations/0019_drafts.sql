-- Pipelines that are worked on, with what published ones hold; `version` counts their changes.

create table pipeline_drafts (
    id text primary key,
    name text not null,
    graph text not null,
    given text not null,
    paths text not null,
    body text not null,
    version integer not null,
    created_at double precision not null,
    updated_at double precision not null
);

create index pipeline_drafts_by_name on pipeline_drafts (name, id);

-- While a webhook's secret is rotated, the one before signs as well.

alter table webhooks add column previous_until double precision not null default 0;
