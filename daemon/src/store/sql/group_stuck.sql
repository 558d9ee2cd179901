-- Groups that stand still: whoever has the turn has nothing left to run, or several wait and nobody has the turn.
select b.number from build b
 where b.group_state = 'holds'
   and not exists (select 1 from attempt a where a.build = b.number and a.current = 1 and a.state <> 'finished')
union
select min(w.number) from build w
 where w.group_state = 'waits'
   and not exists (select 1 from build h
                    where h.group_state = 'holds' and h.group_name = w.group_name
                      and lower(h.repository) = lower(w.repository))
 group by lower(w.repository), w.group_name
