-- The builds of these numbers, newest first: the same as a row of `build_page`, but for the total.
select b.number, b.seq, b.delivery_id, b.repository, b.repository_id, b.clone_url, b.event, b.action, b.ref, b.branch, b.tag, b.base_branch,
       b.pull_request, b.sha, b.title, b.author, b.commit_count, b.from_fork, b.created_at, b.priority,
       b.group_name, b.group_state,
       case when b.group_state = 'waits' then (select h.number from build h
         where h.group_state = 'holds' and h.group_name = b.group_name and lower(h.repository) = lower(b.repository)) end as held_by,
       cast(0 as bigint) as total
  from build b
 where b.number in (
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
     $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41,
     $42, $43, $44, $45, $46, $47, $48, $49, $50)
 order by b.number desc
