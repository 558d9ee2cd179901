-- What is looked for at every wake is found at once, however much there is beside it.

-- What was put off. With the state first, though the old one named it in its condition: SQLite would otherwise rather read
-- everything that waits, in the queue's index.
create index attempt_put_off on attempt (state, not_before) where not_before > 0;
drop index attempt_not_before;

-- The oldest pending delivery of each repository, without a look at those behind it.
create index delivery_lined on delivery (lower(coalesce(repository, '')), received_at, delivery_id) where settled_at is null;
drop index delivery_pending;
