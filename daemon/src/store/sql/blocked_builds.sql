-- Builds that have jobs which wait for others.
select distinct build from attempt where state = 'blocked' order by build
