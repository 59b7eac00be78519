-- name: carry_steps
insert into step_runs (run, step, pipeline, node, element, status, key, attempt, original_run, original_step, started_at,
    ended_at, seconds, reasons, failure, note, verified)
select ?, step, pipeline, node, element, case when status = 'Skipped' then status else 'Reused' end, key, 0,
    case when status = 'Skipped' then '' when original_run = '' then run else original_run end,
    case when status = 'Skipped' then '' when original_run = '' then step else original_step end,
    null, ?, seconds, '[]', null, case when status = 'Skipped' then note else '' end, ''
from step_runs where run = ? and node not in (select value::bigint from json_array_elements_text(?::json))

-- name: due_runs
select id, status from runs
where status in ('NotStarted', 'Queued', 'Running', 'CancelRequested') and status <> 'Running'
    and kind = 'pipeline' and detached = 1 and owner = '' and case
        when renewed_at <> 0 then abs(? - renewed_at) >= ?
        when epoch > 0 then true
        else abs(? - created_at) >= ?
    end
order by status = 'CancelRequested' desc,
    case when options like '%"priority"%' then (options::json ->> 'priority')::bigint else 0 end desc, id
limit ?

-- name: log_size
select coalesce(sum(octet_length(body)), 0) as size from logs where run = ? and step = ? and attempt = ?

-- name: records_size
select pg_database_size(current_database()) as bytes
