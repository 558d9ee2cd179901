-- Removes what tools say about the source of a build.
delete from attempt_findings where build = $1
