-- The truth of one Windlass. Moments are epoch milliseconds, flags are 0 or 1, structures are JSON as text.
-- The same text serves SQLite and Postgres.

-- Numbers that only grow: 'build' names builds, 'change' orders everything that a client can see change.
create table counter (
    name  text   not null primary key,
    value bigint not null
);
insert into counter (name, value) values ('build', 0), ('change', 0);

-- Webhooks, committed before they are answered. Seen before: the same id, or the same event with the same body
-- (the signature covers neither the event's nor the delivery's header).
create table delivery (
    delivery_id text   not null primary key,
    event       text   not null,
    action      text,
    repository  text,
    body_sha256 text   not null,
    body        text   not null,
    received_at bigint not null,
    state       text   not null check (state in ('accepted', 'ignored')),
    reason      text,
    settled_at  bigint,
    unique (event, body_sha256)
);
create index delivery_pending on delivery (received_at) where settled_at is null;
create index delivery_newest on delivery (received_at, delivery_id);

create table build (
    number       bigint not null primary key,
    seq          bigint not null,
    delivery_id  text,
    repository   text   not null,
    repository_id bigint not null,
    clone_url    text   not null,
    event        text   not null,
    action       text,
    ref          text   not null,
    branch       text,
    tag          text,
    base_branch  text,
    pull_request bigint,
    sha          text   not null,
    title        text   not null,
    author       text   not null,
    commit_count bigint not null,
    from_fork    bigint not null,
    created_at   bigint not null
);
create index build_delivery on build (delivery_id);
create index build_repository on build (repository, number);

-- What a job is to do; the same for each attempt.
create table job (
    build    bigint not null references build (number),
    name     text   not null,
    position bigint not null,
    plan     text   not null,
    primary key (build, name)
);

-- One try at a job. A job stands where its newest attempt (current = 1) stands.
create table attempt (
    build         bigint not null,
    job           text   not null,
    number        bigint not null,
    current       bigint not null default 1,
    position      bigint not null,
    state         text   not null check (state in ('blocked', 'waiting', 'claimed', 'running', 'finished')),
    outcome       text   check (outcome in ('passed', 'failed', 'timed_out', 'cancelled', 'out_of_memory', 'lost', 'broken', 'skipped')),
    reason        text,
    exit_code     bigint,
    signal        bigint,
    site          text,
    token         text,
    queued_at     bigint not null,
    claimed_at    bigint,
    started_at    bigint,
    finished_at   bigint,
    cancel_by     text,
    cancel_at     bigint,
    cancel_force  bigint not null default 0,
    steps         text   not null default '[]',
    log_lines     bigint not null default 0,
    log_bytes     bigint not null default 0,
    log_sha256    text,
    primary key (build, job, number),
    foreign key (build, job) references job (build, name),
    check ((state = 'finished') = (outcome is not null)),
    check ((state = 'finished') = (finished_at is not null))
);
-- Not only of what is open: SQLite does not see that state = 'waiting' implies state <> 'finished', and would read the table.
create index attempt_open on attempt (state, queued_at, build, position);
create unique index attempt_current on attempt (build, job) where current = 1;

-- Who may attach over TCP. Only hashes are kept.
create table token (
    name       text   not null primary key,
    role       text   not null check (role in ('viewer', 'operator', 'admin')),
    sha256     text   not null unique,
    created_at bigint not null
);
