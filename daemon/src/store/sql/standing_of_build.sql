-- How the jobs of a build stand, by their newest attempts.
select a.job, a.number, a.state, a.outcome, j.plan
  from attempt a join job j on j.build = a.build and j.name = a.job
 where a.build = $1 and a.current = 1
 order by a.position
