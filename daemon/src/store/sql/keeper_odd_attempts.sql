-- Attempts in states that contradict themselves, and what is odd about them.
select build, job, number,
       case when state in ('claimed', 'running') and token is null then 'is ' || state || ' without a claim'
            when state = 'running' and started_at is null then 'runs without having begun'
            else 'is not the newest of its job and not finished' end as what
  from attempt a
 where (state in ('claimed', 'running') and token is null)
    or (state = 'running' and started_at is null)
    or (state <> 'finished' and current = 0)
 order by build, job, number limit 1000
