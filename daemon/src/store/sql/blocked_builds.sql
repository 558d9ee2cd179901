-- Builds that have jobs which wait for others of the same build. What waits for its group is none of them.
select distinct a.build from attempt a
 where a.state = 'blocked'
   and not exists (select 1 from build b where b.number = a.build and b.group_state = 'waits')
 order by a.build
