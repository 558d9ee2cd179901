-- What the keeper has to remember, and to find fast.

-- When a finished attempt's log was removed to keep within retention.logs; its numbers stay.
alter table attempt add column log_removed_at bigint;

-- Finished logs, the oldest first.
create index attempt_log_kept on attempt (finished_at, build, job, number) where state = 'finished' and log_removed_at is null;
-- Deliveries whose body can be given back.
create index delivery_body_kept on delivery (settled_at) where body <> '';
