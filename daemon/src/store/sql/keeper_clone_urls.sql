-- Where everything that was ever built and is still known comes from.
select distinct clone_url from build order by clone_url
