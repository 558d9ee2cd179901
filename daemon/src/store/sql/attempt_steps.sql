-- How far the steps are.
update attempt set steps = $4 where build = $1 and job = $2 and number = $3 and state = 'running'
returning number
