-- Ends an attempt that nothing of ran and that nobody prepares: skipped, or cancelled while it waited.
update attempt set state = 'finished', outcome = $4, reason = $5, finished_at = $6, cancel_by = $7
 where build = $1 and job = $2 and number = $3 and state in ('blocked', 'waiting') and $4 in ('skipped', 'cancelled', 'broken')
returning number
