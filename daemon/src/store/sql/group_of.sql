-- The group in whose line a build is.
select lower(repository) as repository, group_name from build where number = $1 and group_state is not null
