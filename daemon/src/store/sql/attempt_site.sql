-- Where the runner is, once the engine knows it better.
update attempt set site = $4 where build = $1 and job = $2 and number = $3 and state = 'running'
returning number
