-- The files that an attempt left, with its end.
insert into attempt_artifacts (build, job, number, files, bytes, kept_at) values ($1, $2, $3, $4, $5, $6)
