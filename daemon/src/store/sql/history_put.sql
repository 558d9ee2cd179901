-- Remembers how long a job took lately.
insert into history (repository, job, recent) values ($1, $2, $3)
on conflict (repository, job) do update set recent = excluded.recent
