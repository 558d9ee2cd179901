-- What tools say about the source of a build: of the newest attempt of each job, in the order of the jobs.
select f.job, f.number, f.findings as piece, a.findings as counts
  from attempt a join attempt_findings f on f.build = a.build and f.job = a.job and f.number = a.number
 where a.build = $1 and a.current = 1
 order by a.position
