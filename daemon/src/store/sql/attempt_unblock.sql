-- All that it needs has passed.
update attempt set state = 'waiting' where build = $1 and job = $2 and number = $3 and state = 'blocked'
returning number
