-- Of what waits in a range of builds: how many of the same repository and priority come before it.
select a.build, a.job, a.repository, a.priority, r.ahead
  from (select build, position,
               row_number() over (partition by repository, priority order by queued_at, build, position) - 1 as ahead
          from attempt where state = 'waiting' and not_before <= $1) r
  join attempt a on a.build = r.build and a.position = r.position and a.state || '' = 'waiting'
 where r.build between $2 and $3
