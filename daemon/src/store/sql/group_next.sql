-- Gives the turn of a group to whoever waits longest, if nobody has it.
update build set group_state = 'holds'
 where number = (select w.number from build w
                  where w.group_state = 'waits' and w.group_name = $2 and lower(w.repository) = $1
                  order by w.group_place, w.number limit 1)
   and not exists (select 1 from build h
                    where h.group_state = 'holds' and h.group_name = $2 and lower(h.repository) = $1)
returning number
