-- Notes that the files of an attempt are gone on purpose.
update attempt_artifacts set removed_at = $4 where build = $1 and job = $2 and number = $3 and removed_at is null
