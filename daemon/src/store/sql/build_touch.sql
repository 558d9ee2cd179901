-- Something about a build changed: its place in the order of changes.
update build set seq = $2 where number = $1
