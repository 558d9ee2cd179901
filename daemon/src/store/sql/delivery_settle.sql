-- What became of a delivery. The body is not needed any more once it is settled.
update delivery set state = $2, reason = $3, settled_at = $4 where delivery_id = $1 and settled_at is null
