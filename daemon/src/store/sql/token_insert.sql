-- A new token; only its hash.
insert into token (name, role, sha256, created_at) values ($1, $2, $3, $4) on conflict do nothing returning name
