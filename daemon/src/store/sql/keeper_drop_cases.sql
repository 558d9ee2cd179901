-- Removes the tests of a build's attempts.
delete from attempt_cases where build = $1
