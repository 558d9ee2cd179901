-- A page of the attempts whose files are there, those that came first before the others.
select build, job, number, bytes, kept_at from attempt_artifacts
 where removed_at is null
   and (kept_at > $1 or (kept_at = $1 and (build > $2 or (build = $2 and (job > $3 or (job = $3 and number > $4))))))
 order by kept_at, build, job, number limit $5
