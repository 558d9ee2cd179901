# A cancel is asked for, can be left, is carried out, and is taken back.
there is room for 1 job
there is a build "Holds" that prints "up", waits
there is a build "Waits" that prints "ran", passes
open the client
see "Holds" as running
see "Waits" as waiting
select "Waits"
press x
see "Cancel build 2?"
answer "Let it run"
see no "Cancel build 2?"
in truth "Waits" is waiting
press x
see "Cancel build 2?"
answer "Cancel build 2"
see "build 2 is cancelled (u takes back what had not begun)"
press u
see "taken back: 2/test#2 will run"
see "Waits" as waiting
in truth "Waits" has 2 attempts
select "Holds"
press x
answer "Cancel build 1"
see "Holds" as cancelled
see "Waits" as passed
in truth "Holds" has 1 attempt
in truth "Holds" is cancelled
