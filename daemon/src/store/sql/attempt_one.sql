-- One attempt.
select build, job, number, current, state, outcome, reason, exit_code, signal, site, token, queued_at, claimed_at, started_at,
       finished_at, cancel_by, cancel_at, cancel_force, steps, log_lines, log_bytes, log_sha256, log_dropped,
       priority, not_before, because, image_digest, tests, artifacts, artifacts_removed_at, findings
  from attempt where build = $1 and job = $2 and number = $3
