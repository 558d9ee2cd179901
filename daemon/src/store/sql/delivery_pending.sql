-- Accepted and not worked on yet: the oldest of each repository, for they are worked on one after the other. From one
-- repository to the next in the index: of a storm of deliveries only those first in line are read.
with recursive line (name) as (
    select min(lower(coalesce(repository, ''))) from delivery where settled_at is null
    union all
    select (select min(lower(coalesce(n.repository, ''))) from delivery n
             where n.settled_at is null and lower(coalesce(n.repository, '')) > line.name)
      from line where line.name is not null
)
select d.delivery_id, d.event, d.repository
  from line
  join delivery d on d.delivery_id = (select f.delivery_id from delivery f
                                       where f.settled_at is null and lower(coalesce(f.repository, '')) = line.name
                                       order by f.received_at, f.delivery_id limit 1)
 order by d.received_at, d.delivery_id
 limit 500
