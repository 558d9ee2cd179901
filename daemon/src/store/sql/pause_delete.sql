-- Resumes a repository, or the queue ('').
delete from pause where repository = $1 returning repository
