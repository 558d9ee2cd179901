-- How many waiting attempts will start before this one.
select count(*) as ahead from attempt a
  join attempt me on me.build = $1 and me.job = $2 and me.number = $3
 where a.state = 'waiting'
   and (a.queued_at < me.queued_at
        or (a.queued_at = me.queued_at and (a.build < me.build or (a.build = me.build and a.position < me.position))))
