-- How many could run of each repository and priority, and when each repository got a slot last.
select a.repository, a.priority, count(*) as many, max(r.served) as served, max(r.engine) as engine
  from attempt a join repository r on r.name = a.repository
 where a.state = 'waiting' and a.not_before <= $1
 group by a.repository, a.priority
