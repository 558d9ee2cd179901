-- The tests of an attempt, with its end.
insert into attempt_cases (build, job, number, cases) values ($1, $2, $3, $4)
