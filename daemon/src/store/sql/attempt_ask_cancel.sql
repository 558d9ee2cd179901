-- Asks the executor to stop it. Whoever asks a second time wants it killed at once; who asked first stays.
update attempt set cancel_by = coalesce(cancel_by, $4), cancel_at = coalesce(cancel_at, $5),
                   cancel_force = case when $6 = 1 or cancel_at is not null then 1 else cancel_force end
 where build = $1 and job = $2 and number = $3 and state in ('claimed', 'running')
returning cancel_force
