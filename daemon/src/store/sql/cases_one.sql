-- The tests of one attempt.
select cases from attempt_cases where build = $1 and job = $2 and number = $3
