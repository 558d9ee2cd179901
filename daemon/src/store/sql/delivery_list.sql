-- The newest deliveries with the builds they made, one row for each pair.
select d.delivery_id, d.event, d.action, d.repository, d.received_at, d.state, d.reason, d.settled_at,
       case when d.body = '' then 0 else 1 end as kept, b.number
  from (select * from delivery order by received_at desc, delivery_id desc limit $1) d
  left join build b on b.delivery_id = d.delivery_id
 order by d.received_at desc, d.delivery_id desc, b.number
