-- How many could run of each repository and priority, and when each repository got a slot last. Counted first, in the
-- index alone; only what was counted is looked up.
select l.repository, l.priority, l.many, r.served, r.engine
  from (select repository, priority, count(*) as many from attempt
         where state = 'waiting' and not_before <= $1
         group by repository, priority) l
  join repository r on r.name = l.repository
