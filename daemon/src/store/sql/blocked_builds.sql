-- Builds that stand still: jobs wait for others of the same build, and none of those is under way, whose end would settle it.
-- What waits for its group is none of them.
select distinct a.build from attempt a
 where a.state = 'blocked'
   and not exists (select 1 from attempt o
                    where o.build = a.build and o.current = 1 and o.state in ('waiting', 'claimed', 'running'))
   and not exists (select 1 from build b where b.number = a.build and b.group_state = 'waits')
 order by a.build
