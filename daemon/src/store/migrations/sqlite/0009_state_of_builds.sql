-- What a build is filtered by, with the status and the outcome that state::build derives from the newest attempt of each of
-- its jobs. Nothing of it is stored: whoever does not ask for a status costs no look at attempts.
create view build_state as
select b.number, b.repository, b.branch, b.event, b.author,
       (select case max(case when a.state <> 'finished' then 2 else 0 end)
                    + max(case when a.state = 'running' or (a.state = 'finished' and a.outcome not in ('skipped', 'cancelled'))
                               then 1 else 0 end)
               when 3 then 'running' when 2 then 'waiting' else 'finished' end
          from attempt a where a.build = b.number and a.current = 1) as status,
       (select case max(case when a.state <> 'finished' then 9 else case a.outcome
                               when 'failed' then 8 when 'out_of_memory' then 7 when 'timed_out' then 6 when 'broken' then 5
                               when 'lost' then 4 when 'cancelled' then 3 when 'passed' then 2 else 1 end end)
               when 9 then null when 8 then 'failed' when 7 then 'out_of_memory' when 6 then 'timed_out' when 5 then 'broken'
               when 4 then 'lost' when 3 then 'cancelled' when 2 then 'passed' else 'skipped' end
          from attempt a where a.build = b.number and a.current = 1) as outcome
  from build b;
