-- Removes some deliveries that came long ago, except those whose build is still there.
delete from delivery
 where delivery_id in (select d.delivery_id from delivery d
                        where d.received_at < $1 and d.settled_at is not null
                          and not exists (select 1 from build b where b.delivery_id = d.delivery_id)
                        order by d.received_at limit $2)
