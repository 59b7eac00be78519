-- A run may be carried over from the newest completed run of its pipeline. Indexes that grow in as many places as a run
-- has steps cost more than everything else that is written of a run in which nothing is new: what they were for is found
-- by run and step, or by `latest_steps`, the newest run that decided on a step anew.

create index runs_of_pipeline on runs (pipeline, id);

drop index step_runs_good;

drop index step_runs_shown;

create table latest_steps (
    pipeline text not null,
    step text not null,
    run text not null,
    primary key (pipeline, step)
);

insert into latest_steps (pipeline, step, run)
select pipeline, step, max(run) from step_runs where status in ('Completed', 'Reused') group by pipeline, step;
