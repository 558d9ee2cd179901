-- Who a token belongs to.
select name, role, created_at from token where sha256 = $1
