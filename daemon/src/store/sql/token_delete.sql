-- Revokes a token.
delete from token where name = $1 returning name
