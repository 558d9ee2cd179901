-- The newest attempt of a job makes room for a newer one; only a finished one may.
update attempt set current = 0 where build = $1 and job = $2 and current = 1 and state = 'finished'
returning number, position
