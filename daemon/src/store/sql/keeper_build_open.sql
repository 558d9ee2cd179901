-- How much of a build is not finished: while anything is, it stays.
select count(*) as unfinished from attempt where build = $1 and state <> 'finished'
