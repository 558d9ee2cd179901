-- Every repository that ever built.
select name, engine from repository order by name
