# Search keeps its place and counts; errors are one key away.
there is a build "Speaks" that prints lines 1 to 200, prints "error: the first", prints lines 201 to 400, prints "error: the second", prints lines 401 to 500, passes
open the client
see "Speaks" as passed
open "Speaks"
see "whole build"
press j Enter
see "line 500"
press g
see "line 1"
press /
type "line 2.7"
see "search / line 2.7"
press Enter
see "1/10"
see "line 207"
press n n
see "3/10"
see "line 227"
press N
see "2/10"
press Esc g e
see "error 1/2"
see "error: the first"
press e
see "error 2/2"
see "error: the second"
press E
see "error 1/2"
