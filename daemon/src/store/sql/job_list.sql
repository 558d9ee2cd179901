-- The jobs of a build in their order.
select name, plan from job where build = $1 order by position
