-- The delivery behind a build that could not be planned is worked on again.
update delivery set settled_at = null
 where delivery_id = (select delivery_id from build where number = $1) and settled_at is not null and body <> ''
returning delivery_id
