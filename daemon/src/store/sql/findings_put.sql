-- What tools say about the source of an attempt, with its end.
insert into attempt_findings (build, job, number, findings) values ($1, $2, $3, $4)
