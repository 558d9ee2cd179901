-- What a build is found by when somebody types, apart from all else about it: whoever looks through it reads nothing else.
create table build_words (
    number integer primary key references build (number) on delete cascade,
    words  text not null
);
insert into build_words (number, words)
select number,
       lower(number || ' ' || repository || ' ' || coalesce(branch, ref) || ' ' || title || ' ' || author || ' ' || sha)
  from build;
