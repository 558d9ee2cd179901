-- Of what waits in a range of builds: how many of the same repository and priority come before it. What is older than all
-- of them is only counted, in the index; numbered is what lies between them.
with listed as materialized (
    select build, job, position, repository, priority, queued_at
      from attempt where build between $2 and $3 and state || '' = 'waiting' and not_before <= $1
), bounds as materialized (
    select repository, priority, min(queued_at) as oldest, max(queued_at) as newest
      from listed group by repository, priority
), based as materialized (
    select m.repository, m.priority, m.oldest, m.newest,
           (select count(*) from attempt a
             where a.state = 'waiting' and a.repository = m.repository and a.priority = m.priority
               and a.queued_at < m.oldest and a.not_before <= $1) as older
      from bounds m
), ranked as materialized (
    select a.build, a.position,
           s.older + row_number() over (partition by a.repository, a.priority
                                        order by a.queued_at, a.build, a.position) - 1 as ahead
      from based s cross join attempt a
     where a.state = 'waiting' and a.repository = s.repository and a.priority = s.priority
       and a.queued_at between s.oldest and s.newest and a.not_before <= $1
)
select l.build, l.job, l.repository, l.priority, r.ahead
  from listed l join ranked r on r.build = l.build and r.position = l.position
