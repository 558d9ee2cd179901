-- A window of the builds with certain facts, newest first. `total` counts all that have them: over their numbers only,
-- because all of them are kept until the last one is counted.
with chosen as materialized (
    select b.number
      from build_state b
     where (cast($1 as text) is null or lower(b.repository) = lower($1))
       and (cast($2 as text) is null or b.branch = $2)
       and (cast($3 as text) is null or b.event = $3)
       and (cast($4 as text) is null or lower(b.author) = lower($4))
       and (cast($5 as text) is null or b.status = $5)
       and (cast($6 as text) is null or b.outcome = $6)
)
select b.number, b.seq, b.delivery_id, b.repository, b.repository_id, b.clone_url, b.event, b.action, b.ref, b.branch, b.tag, b.base_branch, b.default_branch,
       b.pull_request, b.sha, b.title, b.author, b.commit_count, b.from_fork, b.created_at, b.priority,
       b.group_name, b.group_state,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by,
       (select count(*) from chosen) as total
  from build b
 where b.number in (select number from chosen order by number desc limit $7 offset $8)
 order by b.number desc
