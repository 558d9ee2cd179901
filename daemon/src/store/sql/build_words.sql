-- What the builds after a number can be found by, in the order of their numbers.
select number, number || ' ' || repository || ' ' || coalesce(branch, ref) || ' ' || title || ' ' || author || ' ' || sha as words
  from build where number > $1 order by number
