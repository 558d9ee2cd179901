-- Everything that is not finished: what runs first, then in the order in which it will start.
select a.build, a.job, a.number, a.current, a.state, a.outcome, a.reason, a.exit_code, a.signal, a.site, a.token, a.queued_at,
       a.claimed_at, a.started_at, a.finished_at, a.cancel_by, a.cancel_at, a.cancel_force, a.steps, a.log_lines, a.log_bytes,
       a.log_sha256, b.repository, b.branch, b.title, j.plan
  from attempt a join build b on b.number = a.build join job j on j.build = a.build and j.name = a.job
 where a.state in ('blocked', 'waiting', 'claimed', 'running')
 order by case a.state when 'running' then 0 when 'claimed' then 1 when 'waiting' then 2 else 3 end,
          a.queued_at, a.build, a.position
 limit $1
