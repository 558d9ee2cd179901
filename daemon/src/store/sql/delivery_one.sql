-- One delivery, and whether its body is still kept.
select event, action, repository, state, settled_at, body from delivery where delivery_id = $1
