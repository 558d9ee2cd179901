-- A new attempt of a job; it becomes the one by which the job stands. A finished one comes with outcome and log.
insert into attempt (build, job, number, current, position, state, outcome, reason, queued_at, finished_at,
                     log_lines, log_bytes, log_sha256, log_dropped, repository, priority, not_before, because,
                     again_infrastructure, again_failure)
values ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
