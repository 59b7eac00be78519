-- What the steps of a running run wait for at compute targets that can take none of them; empty while they wait for nothing.

alter table runs add column waits_for text not null default '';
