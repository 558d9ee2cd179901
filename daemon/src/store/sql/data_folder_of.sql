-- The data folder that this database belongs to.
select owner from data_folder
