-- Notes that a finished attempt's log is gone on purpose.
update attempt set log_removed_at = $4
 where build = $1 and job = $2 and number = $3 and state = 'finished' and log_removed_at is null
