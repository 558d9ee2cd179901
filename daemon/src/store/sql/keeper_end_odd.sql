-- Ends an attempt whose state contradicts itself; one that does not any more stays.
update attempt set state = 'finished', outcome = 'lost', reason = $4, finished_at = $5
 where build = $1 and job = $2 and number = $3
   and ((state in ('claimed', 'running') and token is null)
        or (state = 'running' and started_at is null)
        or (state <> 'finished' and current = 0))
returning number
