-- Accepted and not worked on yet, oldest first.
select delivery_id, event, repository from delivery where settled_at is null order by received_at, delivery_id limit 500
