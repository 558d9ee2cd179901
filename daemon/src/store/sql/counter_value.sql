-- The last number given out.
select value from counter where name = $1
