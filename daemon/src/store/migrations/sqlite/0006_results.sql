-- The newest builds of one repository, or of one of its refs, however many others there are.
create index build_results on build (lower(repository), number);
create index build_ref_results on build (lower(repository), ref, number);
