-- The database belongs to whatever data folder comes next.
delete from data_folder
