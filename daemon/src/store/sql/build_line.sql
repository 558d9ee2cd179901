-- Where a build's attempts belong in the queue, and how it stands in its group.
select lower(repository) as repository, priority, group_state from build where number = $1
