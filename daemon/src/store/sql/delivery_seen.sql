-- The delivery that makes another one a duplicate: the one with its id, else the one with its content.
select delivery_id from delivery where delivery_id = $1 or (event = $2 and body_sha256 = $3)
 order by case delivery_id when $1 then 0 else 1 end limit 1
