-- Files that jobs left to be kept.

-- Of a finished attempt whose job keeps any: how many and how large they are, and what could not be kept, as JSON.
alter table attempt add column artifacts text;
-- When they were removed to make room.
alter table attempt add column artifacts_removed_at bigint;

-- What each of them is called, its size and its sum, in one compressed piece: written once, with the attempt's end, and only
-- ever read as a whole. The files themselves are in the data folder.
create table attempt_artifacts (
    build      bigint not null,
    job        text   not null,
    number     bigint not null,
    files      blob not null,
    bytes      bigint not null,
    kept_at    bigint not null,
    removed_at bigint,
    primary key (build, job, number)
);

-- What goes first when there is too much.
create index attempt_artifacts_kept on attempt_artifacts (kept_at, build, job, number) where removed_at is null;
