-- All tokens by name.
select name, role, created_at from token order by name
