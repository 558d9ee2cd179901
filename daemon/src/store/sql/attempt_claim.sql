-- Takes the oldest attempt that can run, or nothing when there is none or every slot is taken. The state is checked again
-- outside, as an expression: SQLite would otherwise look at everything that waits instead of at the one row named.
update attempt set state = 'claimed', claimed_at = $1, token = $2
 where state || '' = 'waiting'
   and (build, job, number) in (select build, job, number from attempt
                                 where state = 'waiting' order by queued_at, build, position limit 1)
   and (select count(*) from attempt where state in ('claimed', 'running')) < $3
returning build, job, number
