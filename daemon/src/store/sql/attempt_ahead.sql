-- How many waiting attempts will start before this one.
select count(*) as ahead from attempt a
  join attempt me on me.build = $1 and me.job = $2 and me.number = $3
 where a.state = 'waiting' and (a.queued_at, a.build, a.position) < (me.queued_at, me.build, me.position)
