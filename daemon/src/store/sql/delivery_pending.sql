-- Accepted and not worked on yet: the oldest of each repository, for they are worked on one after the other.
select d.delivery_id, d.event, d.repository
  from delivery d
 where d.settled_at is null
   and not exists (select 1 from delivery e
                    where e.settled_at is null and lower(coalesce(e.repository, '')) = lower(coalesce(d.repository, ''))
                      and (e.received_at < d.received_at
                           or (e.received_at = d.received_at and e.delivery_id < d.delivery_id)))
 order by d.received_at, d.delivery_id
 limit 500
