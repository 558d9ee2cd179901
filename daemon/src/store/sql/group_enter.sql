-- Gets in the line of its group: it holds the turn when nobody does, else it waits. Nothing when it is in the line already.
update build set group_place = $2,
                 group_state = case when exists (select 1 from build h
                                                  where h.group_state = 'holds' and h.group_name = build.group_name
                                                    and lower(h.repository) = lower(build.repository))
                                    then 'waits' else 'holds' end
 where number = $1 and group_name is not null and group_state is null
returning group_state
