-- Gives a claimed attempt back: nothing of it ran. One that somebody wants stopped is not: what waits has to be free of that.
update attempt set state = 'waiting', claimed_at = null, token = null, site = null
 where build = $1 and job = $2 and number = $3 and state = 'claimed' and cancel_at is null
returning number
