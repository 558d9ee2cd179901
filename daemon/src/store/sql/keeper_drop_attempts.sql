-- Removes the attempts of a build; their logs are removed after the commit.
delete from attempt where build = $1 returning job, number
