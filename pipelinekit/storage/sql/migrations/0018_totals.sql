-- What has happened in all, also to runs that are removed by now: runs and steps of ended runs by how they ended, instants
-- of schedules by what became of them, and how late runs of schedules began. It is counted in the transaction that does it.

create table totals (
    name text not null,
    label text not null,
    value double precision not null,
    primary key (name, label)
);

insert into totals (name, label, value)
select 'runs', status, count(*) from runs
where kind <> 'child' and status in ('Completed', 'Failed', 'Canceled') group by status;

insert into totals (name, label, value)
select 'steps', step_runs.status, count(*) from step_runs
where exists (
    select 1 from runs where runs.id = step_runs.run and runs.status in ('Completed', 'Failed', 'Canceled')
) group by step_runs.status;

insert into totals (name, label, value)
select 'step_seconds', step_runs.status, coalesce(sum(step_runs.seconds), 0.0) from step_runs
where exists (
    select 1 from runs where runs.id = step_runs.run and runs.status in ('Completed', 'Failed', 'Canceled')
) group by step_runs.status;

insert into totals (name, label, value)
select 'ticks', disposition, count(*) from schedule_ticks where disposition <> 'Pending' group by disposition;
