-- The tests of the newest attempt of each job of a build, in the order of the jobs.
select c.job, c.number, c.cases, a.tests
  from attempt a join attempt_cases c on c.build = a.build and c.job = a.job and c.number = a.number
 where a.build = $1 and a.current = 1
 order by a.position
