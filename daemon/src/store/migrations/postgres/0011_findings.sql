-- What tools say about places in the source, in reports and in logs.

-- Of a finished attempt of which something is said: how much, and what could not be taken, as JSON.
alter table attempt add column findings text;

-- One by one, in one compressed piece: they are written once, with the attempt's end, and only ever read as a whole.
create table attempt_findings (
    build    bigint not null,
    job      text   not null,
    number   bigint not null,
    findings bytea not null,
    primary key (build, job, number)
);
