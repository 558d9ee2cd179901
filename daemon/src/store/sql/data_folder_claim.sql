-- The first data folder that comes has the database.
insert into data_folder (owner) select $1 where not exists (select 1 from data_folder)
