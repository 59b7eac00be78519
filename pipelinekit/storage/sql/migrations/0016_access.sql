-- Who may do what, who did it, and requests that may come twice. Of a token's secret there is only a digest; a name is
-- `folded` without regard to case and belongs to one token that was not revoked. Rows of `audit` are never changed: each
-- holds the digest of the one before. An idempotency key whose request is being carried out has no response yet.

create table tokens (
    id text primary key,
    folded text not null,
    name text not null,
    kind text not null,
    role text not null,
    endpoint text not null,
    digest text not null,
    created_at double precision not null,
    created_by text not null,
    expires_at double precision not null,
    last_used double precision,
    revoked_at double precision
);

create unique index tokens_by_name on tokens (folded) where revoked_at is null;

create table audit (
    number integer primary key,
    at double precision not null,
    actor text not null,
    token text not null,
    source text not null,
    request text not null,
    action text not null,
    object text not null,
    outcome text not null,
    reason text not null,
    before_digest text not null,
    after_digest text not null,
    previous text not null,
    digest text not null
);

create table idempotency (
    principal text not null,
    scope text not null,
    key text not null,
    request text not null,
    run text not null,
    response text,
    created_at double precision not null,
    expires_at double precision not null,
    primary key (principal, scope, key)
);

create index idempotency_by_expiry on idempotency (expires_at);
