-- Removes the jobs of a build.
delete from job where build = $1
