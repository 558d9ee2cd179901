-- Postgres only: whether this session is now the one daemon of this database. The number is Windlass's own, nothing else.
select pg_try_advisory_lock(8020351776)
