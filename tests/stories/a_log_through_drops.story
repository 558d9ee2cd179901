# A log is followed while the line drops again and again: no line is lost, none is shown twice.
there is a build "Long" that prints lines 1 to 150, waits, prints lines 151 to 300, waits, prints lines 301 to 450, waits, prints lines 451 to 600
open the client
follow "Long" into a pipe
open "Long"
see "whole build"
press j Enter
see "line 150"
the line drops
let "Long" go on
see "line 300"
let "Long" go on
the line drops
see "line 450"
the line drops
the line drops
let "Long" go on
see "line 600"
see "600 lines"
see each of the lines 1 to 600 once
the pipe has each of the lines 1 to 600 once
