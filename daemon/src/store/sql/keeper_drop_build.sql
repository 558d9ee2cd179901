-- Removes a build; jobs and attempts went before.
delete from build where number = $1
