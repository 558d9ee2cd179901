-- How many tests the newest attempt of each job of a build has, in the order of the jobs; of those whose tests are kept.
select a.job, a.number, a.tests
  from attempt a join attempt_cases c on c.build = a.build and c.job = a.job and c.number = a.number
 where a.build = $1 and a.current = 1
 order by a.position
