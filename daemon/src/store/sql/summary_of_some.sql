-- The same as `summary_of_builds`, of the builds of these numbers.
select build, job, state, outcome, reason, queued_at, started_at, finished_at, cancel_by, cancel_at,
       repository, priority, not_before, because
  from attempt where current = 1 and build in (
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
     $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41,
     $42, $43, $44, $45, $46, $47, $48, $49, $50)
 order by build, position
