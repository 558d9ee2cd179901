-- Pauses a repository, or the queue (''); nothing when it is paused already.
insert into pause (repository, paused_by, paused_at, reason) values ($1, $2, $3, $4)
on conflict do nothing
returning repository
