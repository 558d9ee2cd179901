-- A fair queue with priorities and pauses, groups of builds, and attempts that are made by themselves.

-- What the queue is ordered by stands in the attempt itself, so that an index answers whose turn it is.
alter table attempt add column repository text not null default '';
alter table attempt add column priority bigint not null default 0;
-- Back-off: not claimed before this moment.
alter table attempt add column not_before bigint not null default 0;
-- Why there is this attempt, of all but the first.
alter table attempt add column because text;
-- How many of the attempts before it were followed by themselves, by whose fault they ended.
alter table attempt add column again_infrastructure bigint not null default 0;
alter table attempt add column again_failure bigint not null default 0;
alter table attempt add column image_digest text;
alter table attempt add column log_dropped bigint not null default 0;

alter table build add column priority bigint not null default 0;
-- Builds of one group of a repository run one at a time. Null: it is in no group, or nothing of it is left to run.
alter table build add column group_name text;
alter table build add column group_state text check (group_state in ('waits', 'holds'));
-- Its place in the group's line.
alter table build add column group_place bigint not null default 0;

-- By lower-case name. `served`: when it got a slot last, as a number that only grows.
create table repository (
    name   text   not null primary key,
    engine text,
    served bigint not null default 0
);
insert into counter (name, value) values ('served', 0);

-- Nothing new is begun of a repository (lower case), or of any ('').
create table pause (
    repository text   not null primary key,
    paused_by  text   not null,
    paused_at  bigint not null,
    reason     text
);

-- How long the last passed attempts of a job took: JSON, milliseconds, oldest first.
create table history (
    repository text not null,
    job        text not null,
    recent     text not null,
    primary key (repository, job)
);

update attempt set repository = (select lower(b.repository) from build b where b.number = attempt.build);
insert into repository (name) select distinct lower(repository) from build;

-- With the state in it, though it is always the same: SQLite would otherwise look into the table for it.
create index attempt_queue on attempt (state, repository, priority, queued_at, build, position, not_before) where state = 'waiting';
create index attempt_not_before on attempt (not_before) where state = 'waiting' and not_before > 0;
create index build_group on build (group_state, group_name, group_place) where group_state is not null;
