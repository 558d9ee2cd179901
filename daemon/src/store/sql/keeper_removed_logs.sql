-- Attempts whose log was removed on purpose.
select build, job, number from attempt where log_removed_at is not null order by build, job, number
