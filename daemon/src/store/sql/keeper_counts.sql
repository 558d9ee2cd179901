-- How much there is of everything: what a backup's manifest and doctor say.
select (select count(*) from build) as builds, (select count(*) from job) as jobs, (select count(*) from attempt) as attempts,
       (select count(*) from delivery) as deliveries, (select count(*) from token) as tokens
