-- Everything that is not finished: what runs first, then by age, which is the order in which it
-- will start within a repository and a priority. Each state by itself comes
-- out of the index in that order, so that thousands that wait are neither read nor sorted. The plan is told of what is
-- blocked: only there somebody wants to know what it needs.
with chosen as (
    select * from (select build, job, number, position, queued_at, 0 as place from attempt
                    where state = 'running' order by queued_at, build, position limit $1) running_ones
    union all
    select * from (select build, job, number, position, queued_at, 1 as place from attempt
                    where state = 'claimed' order by queued_at, build, position limit $1) claimed_ones
    union all
    select * from (select build, job, number, position, queued_at, 2 as place from attempt
                    where state = 'waiting' order by queued_at, build, position limit $1) waiting_ones
    union all
    select * from (select build, job, number, position, queued_at, 3 as place from attempt
                    where state = 'blocked' order by queued_at, build, position limit $1) blocked_ones
)
select a.build, a.job, a.number, a.current, a.state, a.outcome, a.reason, a.exit_code, a.signal, a.site, a.token, a.queued_at,
       a.claimed_at, a.started_at, a.finished_at, a.cancel_by, a.cancel_at, a.cancel_force, a.steps, a.log_lines, a.log_bytes,
       a.log_sha256, a.log_dropped, a.priority, a.not_before, a.because, a.image_digest, a.tests, a.artifacts, a.artifacts_removed_at, a.findings, b.repository, b.branch, b.title,
       coalesce(j.plan, '{}') as plan,
       b.group_name,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by
  from chosen c
  join attempt a on a.build = c.build and a.job = c.job and a.number = c.number
  join build b on b.number = c.build
  left join job j on c.place = 3 and j.build = c.build and j.name = c.job
 order by c.place, c.queued_at, c.build, c.position
 limit $1
