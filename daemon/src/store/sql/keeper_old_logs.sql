-- A page of finished attempts that still have their log, the one that finished first comes first.
select build, job, number, finished_at, log_bytes, log_sha256 from attempt
 where state = 'finished' and log_removed_at is null
   and (finished_at > $1 or (finished_at = $1 and (build > $2 or (build = $2 and (job > $3 or (job = $3 and number > $4))))))
 order by finished_at, build, job, number limit $5
