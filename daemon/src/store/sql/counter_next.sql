-- The next number of a counter. Writers come one after the other, so changes are committed in the order of their numbers
-- and "everything after N" never misses a late commit.
update counter set value = value + 1 where name = $1 returning value
