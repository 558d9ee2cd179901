-- Attempts that a daemon has taken up and not ended.
select build, job, number from attempt where state in ('claimed', 'running') order by build, job, number
