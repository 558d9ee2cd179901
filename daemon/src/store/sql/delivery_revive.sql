-- Delivered again, what was ignored before may ask for something now: its repository is listed meanwhile.
update delivery set state = 'accepted', reason = null, settled_at = null, body = $2, received_at = $3
 where delivery_id = $1 and state = 'ignored' and settled_at is not null
returning delivery_id
