-- The same where those who look at the attempt see it.
update attempt set artifacts_removed_at = $4
 where build = $1 and job = $2 and number = $3 and artifacts is not null and artifacts_removed_at is null
