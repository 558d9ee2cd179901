-- A page of the builds in the order of their numbers, with what retention asks of them.
select b.number, lower(b.repository) as repository,
       coalesce(case when b.pull_request is not null then 'pull request ' || b.pull_request end, b.branch, b.ref) as branch,
       b.created_at,
       (select count(*) from attempt a where a.build = b.number and a.state <> 'finished') as unfinished
  from build b where b.number > $1 order by b.number limit $2
