-- The one terminal state. `passed`, `failed`, `timed_out` and `out_of_memory` need that it ran.
update attempt set state = 'finished', outcome = $4, reason = $5, exit_code = $6, signal = $7, finished_at = $8, steps = $9,
                   log_lines = $10, log_bytes = $11, log_sha256 = $12, log_dropped = $13, image_digest = coalesce($14, image_digest),
                   tests = $15, artifacts = $16
 where build = $1 and job = $2 and number = $3
   and ((state = 'running' and $4 <> 'skipped')
        or (state in ('blocked', 'waiting', 'claimed') and $4 in ('skipped', 'cancelled', 'broken', 'lost')))
returning number
