-- What the newest attempt of each job of a build left, in the order of the jobs.
select a.job, a.number, a.artifacts, a.artifacts_removed_at, f.files
  from attempt a left join attempt_artifacts f on f.build = a.build and f.job = a.job and f.number = a.number
 where a.build = $1 and a.current = 1 and a.artifacts is not null
 order by a.position
