-- What a job of a build is to do.
insert into job (build, name, position, plan) values ($1, $2, $3, $4)
