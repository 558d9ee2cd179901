-- The wall clock was set: what was put off waits as long as it would have without that. What was put off after the clock was
-- set, and before that was noticed, would wait for that much longer: nothing waits beyond $2.
update attempt set not_before = case when not_before + $1 > $2 then $2 else not_before + $1 end
 where state in ('waiting', 'blocked') and not_before > 0
