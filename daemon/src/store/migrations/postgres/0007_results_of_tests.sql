-- What the reports of jobs say of their tests.

-- Of a finished attempt whose job has reports: how many tests ended how, and what could not be taken, as JSON.
alter table attempt add column tests text;
-- The branch that builds of the repository are measured by, as the webhook named it.
alter table build add column default_branch text;

-- Its tests one by one, in one compressed piece: they are written once, with the attempt's end, and only ever read as a whole.
-- As rows they would be most of the database, and a large report would keep everybody else from writing.
create table attempt_cases (
    build  bigint not null,
    job    text   not null,
    number bigint not null,
    cases  bytea not null,
    primary key (build, job, number)
);

-- Builds of the same commit.
create index build_commit on build (sha, number);
