-- The older builds of a group of which something is left to run. Those that wait come first: none of them is given the turn
-- on the way.
select number from build
 where group_state in ('waits', 'holds') and group_name = $2 and lower(repository) = $1 and number < $3
 order by group_state desc, number desc
