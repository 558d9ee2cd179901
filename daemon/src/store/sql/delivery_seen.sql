-- The delivery that makes another one a duplicate.
select delivery_id, state from delivery where delivery_id = $1 or (event = $2 and body_sha256 = $3) limit 1
