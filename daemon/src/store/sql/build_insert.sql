-- A new build; its number was taken from the counter before.
insert into build (number, seq, delivery_id, repository, repository_id, clone_url, event, action, ref, branch, tag, base_branch,
                   pull_request, sha, title, author, commit_count, from_fork, created_at, priority, group_name,
                   default_branch)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
