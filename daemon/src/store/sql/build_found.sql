-- A window of the builds that have certain words, newest first, as `build_page` otherwise. The words are looked through
-- first: what else there is of a build is read only where something else is asked for.
with chosen as materialized (
    select w.number
      from build_words w
     where w.words like lower($7) escape '\'
       and (cast($8 as text) is null or w.words like lower($8) escape '\')
       and (cast($9 as text) is null or w.words like lower($9) escape '\')
       and (coalesce(cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text)) is null or exists (
           select 1 from build b
            where b.number = w.number
              and (cast($1 as text) is null or lower(b.repository) = lower($1))
              and (cast($2 as text) is null or b.branch = $2)
              and (cast($3 as text) is null or b.event = $3)
              and (cast($4 as text) is null or lower(b.author) = lower($4))))
       and (cast($5 as text) is null or $5 = case
          when not exists (select 1 from attempt a where a.build = w.number and a.current = 1 and a.state <> 'finished')
            then 'finished'
          when exists (select 1 from attempt a where a.build = w.number and a.current = 1 and (a.state = 'running'
                         or (a.state = 'finished' and a.outcome not in ('skipped', 'cancelled'))))
            then 'running'
          else 'waiting' end)
       and (cast($6 as text) is null or (
          not exists (select 1 from attempt a where a.build = w.number and a.current = 1 and a.state <> 'finished')
          and $6 = case (select max(case a.outcome when 'failed' then 8 when 'out_of_memory' then 7 when 'timed_out' then 6
                                       when 'broken' then 5 when 'lost' then 4 when 'cancelled' then 3 when 'passed' then 2
                                       else 1 end)
                           from attempt a where a.build = w.number and a.current = 1)
               when 8 then 'failed' when 7 then 'out_of_memory' when 6 then 'timed_out' when 5 then 'broken'
               when 4 then 'lost' when 3 then 'cancelled' when 2 then 'passed' else 'skipped' end))
)
select b.number, b.seq, b.delivery_id, b.repository, b.repository_id, b.clone_url, b.event, b.action, b.ref, b.branch, b.tag, b.base_branch, b.default_branch,
       b.pull_request, b.sha, b.title, b.author, b.commit_count, b.from_fork, b.created_at, b.priority,
       b.group_name, b.group_state,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by,
       (select count(*) from chosen) as total
  from build b
 where b.number in (select number from chosen order by number desc limit $10 offset $11)
 order by b.number desc
