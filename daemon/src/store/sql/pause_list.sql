-- What is paused; the queue first.
select repository, paused_by, paused_at, reason from pause order by repository
