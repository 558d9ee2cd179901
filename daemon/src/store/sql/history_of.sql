-- How long the jobs of a repository took lately.
select job, recent from history where repository = $1
