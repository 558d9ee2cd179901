-- A window of the builds that have certain words, newest first, as `build_page` otherwise. The words are looked through
-- first, and once: for the window down from the newest, then, if more may follow, from there on to count the others. What
-- else there is of a build is read only where something else is asked for.
with chosen as not materialized (
    select w.number
      from build_words w
     where w.words like lower($7) escape '\'
       and (cast($8 as text) is null or w.words like lower($8) escape '\')
       and (cast($9 as text) is null or w.words like lower($9) escape '\')
       and (coalesce(cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text), cast($5 as text), cast($6 as text)) is null
            or exists (
              select 1 from build_state b
               where b.number = w.number
                 and (cast($1 as text) is null or lower(b.repository) = lower($1))
                 and (cast($2 as text) is null or b.branch = $2)
                 and (cast($3 as text) is null or b.event = $3)
                 and (cast($4 as text) is null or lower(b.author) = lower($4))
                 and (cast($5 as text) is null or b.status = $5)
                 and (cast($6 as text) is null or b.outcome = $6)))
),
page as materialized (select number from chosen order by number desc limit $10 offset $11)
select b.number, b.seq, b.delivery_id, b.repository, b.repository_id, b.clone_url, b.event, b.action, b.ref, b.branch, b.tag, b.base_branch, b.default_branch,
       b.pull_request, b.sha, b.title, b.author, b.commit_count, b.from_fork, b.created_at, b.priority,
       b.group_name, b.group_state,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by,
       $11 + (select count(*) from page) + case when (select count(*) from page) < $10 then 0
         else (select count(*) from chosen where number < (select min(number) from page)) end as total
  from build b
 where b.number in (select number from page)
 order by b.number desc
