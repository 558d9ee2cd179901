-- Gives back the bodies of some deliveries that were worked on long ago.
update delivery set body = ''
 where delivery_id in (select delivery_id from delivery where body <> '' and settled_at < $1 order by settled_at limit $2)
