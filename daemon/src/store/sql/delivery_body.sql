-- The body of one delivery.
select body from delivery where delivery_id = $1
