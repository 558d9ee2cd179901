-- The one-time claim of P3: whoever gets a row here, and nobody else ever, may hand out plan and source.
update attempt set state = 'running', site = $4, started_at = $5, image_digest = $7
 where build = $1 and job = $2 and number = $3 and state = 'claimed' and token = $6 and cancel_at is null
returning number
