-- When the next attempt that was put off may be claimed.
select min(not_before) as next from attempt where state = 'waiting' and not_before > 0 and not_before > $1
