-- Attempts whose log was removed on purpose, when, and how long it was.
select build, job, number, log_bytes, log_removed_at from attempt
 where log_removed_at is not null order by build, job, number
