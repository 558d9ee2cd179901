-- The newest attempt of each job of the builds in a range of numbers, for lists.
select build, job, state, outcome, reason, queued_at, started_at, finished_at, cancel_by, cancel_at,
       repository, priority, not_before, because
  from attempt where current = 1 and build between $1 and $2 order by build, position
