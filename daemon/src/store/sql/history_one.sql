-- How long a job took lately.
select recent from history where repository = $1 and job = $2
