# What was known stays, a banner says since when there is no daemon, and every key does what it can.
there is a build "Stays" that prints lines 1 to 100, passes
open the client
see "Stays" as passed
open "Stays"
see "whole build"
press j Enter
see "line 100"
the daemon goes away
see "no daemon since"
see "line 100"
press q q
see "1 build"
press ?
see "In lists"
press q
open the view queue
see "nothing runs and nothing waits"
open the view builds
press /
type "sty"
see "1 shown of 1"
press Esc
press r
see "no connection to the daemon"
press :
see "command :"
press Esc
the daemon comes back
see "connected again"
see no "no daemon since"
there is a build "After" that prints "up", passes
see "After" as passed
