-- A new build; its number was taken from the counter before.
insert into build (number, seq, delivery_id, repository, clone_url, event, action, ref, branch, tag, base_branch,
                   pull_request, sha, title, author, commit_count, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
