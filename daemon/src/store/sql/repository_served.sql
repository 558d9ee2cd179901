-- It got a slot: the others come first now.
update repository set served = $2 where name = $1
