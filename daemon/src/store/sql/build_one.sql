-- One build without its jobs. `held_by`: who has the turn of the group in whose line it waits.
select b.number, b.seq, b.delivery_id, b.repository, b.repository_id, b.clone_url, b.event, b.action, b.ref, b.branch, b.tag,
       b.base_branch, b.default_branch, b.pull_request, b.sha, b.title, b.author, b.commit_count, b.from_fork, b.created_at, b.priority,
       b.group_name, b.group_state,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by,
       cast(1 as bigint) as total
  from build b where b.number = $1
