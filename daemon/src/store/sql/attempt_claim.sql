-- Takes the oldest attempt of a repository and a priority that can run. The state is checked again outside, as an
-- expression: SQLite would otherwise look at everything that waits instead of at the one row named.
update attempt set state = 'claimed', claimed_at = $1, token = $2
 where state || '' = 'waiting'
   and (build, job, number) in (select build, job, number from attempt
                                 where state = 'waiting' and repository = $3 and priority = $4 and not_before <= $1
                                 order by queued_at, build, position limit 1)
returning build, job, number
