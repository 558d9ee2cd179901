-- The data folder whose daemon works with this database, by the name in its file `owner`: at most one. With another one,
-- which has none of the logs and containers, everything would look lost, or left over.
create table data_folder (owner text not null primary key);
