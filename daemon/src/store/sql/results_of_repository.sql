-- The newest builds of a repository, and how their jobs stand.
select newest.number, newest.repository, newest.created_at, a.state, a.outcome, a.queued_at, a.started_at, a.finished_at
  from (select number, repository, created_at from build where lower(repository) = $1 order by number desc limit $2) newest
  left join attempt a on a.build = newest.number and a.current = 1
 order by newest.number desc
