-- The wall clock was set: what was put off waits as long as it would have without that.
update attempt set not_before = not_before + $1 where state in ('waiting', 'blocked') and not_before > 0
