-- What became of a delivery.
update delivery set state = $2, reason = $3, settled_at = $4 where delivery_id = $1 and settled_at is null
