-- A repository that builds, and where its jobs run.
insert into repository (name, engine) values ($1, $2)
on conflict (name) do update set engine = excluded.engine
