-- Removes what is known of the files that a build's attempts left.
delete from attempt_artifacts where build = $1
