-- What decides whether an attempt that has just ended is followed by another one.
select a.position, a.cancel_at, a.started_at, a.again_infrastructure, a.again_failure, j.plan
  from attempt a join job j on j.build = a.build and j.name = a.job
 where a.build = $1 and a.job = $2 and a.number = $3
