-- The next number of a counter. In Postgres the row's lock also makes writers commit in the order of their numbers, so
-- that "everything after N" never misses a late commit.
update counter set value = value + 1 where name = $1 returning value
