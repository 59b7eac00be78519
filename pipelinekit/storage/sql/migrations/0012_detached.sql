-- A run that is `detached` goes on without whoever submitted it: if its driver dies, another takes it up again.
-- `fruitless` counts how often that happened since a result of the run was last accepted.

alter table runs add column detached integer not null default 0;
alter table runs add column fruitless integer not null default 0;
