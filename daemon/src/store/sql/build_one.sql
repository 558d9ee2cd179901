-- One build without its jobs.
select number, seq, delivery_id, repository, repository_id, clone_url, event, action, ref, branch, tag, base_branch, pull_request, sha,
       title, author, commit_count, from_fork, created_at, cast(1 as bigint) as total
  from build where number = $1
