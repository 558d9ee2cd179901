-- What a new build is found by when somebody types.
insert into build_words (number, words)
select number,
       lower(number || ' ' || repository || ' ' || coalesce(branch, ref) || ' ' || title || ' ' || author || ' ' || sha)
  from build where number = $1
