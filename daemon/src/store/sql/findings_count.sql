-- How much tools say about the source of an attempt, with its end.
update attempt set findings = $4 where build = $1 and job = $2 and number = $3
