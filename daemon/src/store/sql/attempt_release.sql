-- Gives a claimed attempt back: nothing of it ran.
update attempt set state = 'waiting', claimed_at = null, token = null, site = null
 where build = $1 and job = $2 and number = $3 and state = 'claimed'
returning number
