-- Finished builds of a ref before a build that have results of tests, the newest first. Only the fifty before it are looked at.
select b.number, b.seq
  from (select number, seq from build where lower(repository) = $1 and ref = $2 and number < $3
         order by number desc limit 50) b
 where exists (select 1 from attempt a where a.build = b.number and a.current = 1 and a.tests is not null)
   and not exists (select 1 from attempt a where a.build = b.number and a.current = 1 and a.state <> 'finished')
 order by b.number desc limit $4
