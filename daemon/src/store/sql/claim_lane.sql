-- Whose turn it is: the highest priority first, then the repository that got a slot longest ago. Paused repositories, those
-- whose engine is away ($3: names between commas) and what waits for a later moment are passed over. One look into the index
-- for each repository, however much waits.
select name, priority
  from (select r.name, r.served,
               (select a.priority from attempt a
                 where a.state = 'waiting' and a.repository = r.name and a.not_before <= $1
                 order by a.priority desc limit 1) as priority
          from repository r
         where (r.engine is null or $3 not like '%,' || r.engine || ',%')
           and not exists (select 1 from pause p where p.repository in ('', r.name))) lane
 where priority is not null
   and (select count(*) from attempt where state in ('claimed', 'running')) < $2
 order by priority desc, served, name
 limit 1
