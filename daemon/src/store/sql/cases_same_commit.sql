-- Attempts on a commit of a repository that have results of tests, the newest builds first.
select a.build, a.job, a.number
  from (select number from build where sha = $2 and lower(repository) = $1 order by number desc limit 20) b
  join attempt a on a.build = b.number
 where a.tests is not null
 order by a.build desc, a.position, a.number desc limit 100
