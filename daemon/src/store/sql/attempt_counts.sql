-- How many attempts are in each open state.
select state, count(*) as many from attempt where state in ('blocked', 'waiting', 'claimed', 'running') group by state
