-- Accepted and not worked on yet: the oldest of each repository, for they are worked on one after the other. What is
-- pending is found first and by itself: in one statement with the order, SQLite goes through all deliveries that ever came.
with pending as materialized (
    select delivery_id, event, repository, received_at from delivery where settled_at is null
), lined as (
    select delivery_id, event, repository, received_at,
           row_number() over (partition by lower(coalesce(repository, '')) order by received_at, delivery_id) as place
      from pending
)
select delivery_id, event, repository
  from lined
 where place = 1
 order by received_at, delivery_id
 limit 500
