-- Stores a webhook, or nothing when it was seen before.
insert into delivery (delivery_id, event, action, repository, body_sha256, body, received_at, state, reason, settled_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing
returning delivery_id
