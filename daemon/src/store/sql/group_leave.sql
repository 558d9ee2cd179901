-- Nothing of it is left to run: it leaves the line of its group.
update build set group_state = null
 where number = $1 and group_state is not null
   and not exists (select 1 from attempt a where a.build = build.number and a.current = 1 and a.state <> 'finished')
returning lower(repository) as repository, group_name
