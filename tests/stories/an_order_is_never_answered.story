# A request is carried out and its answer is lost: whoever ordered it is told.
there is a build "Holds" that prints "up", waits
open the client
see "Holds" as running
the line loses answers
select "Holds"
press x
answer "Cancel build 1"
see "Holds" as cancelled
see "build 1: the daemon has not answered"
in truth "Holds" has 1 attempt
# The rest is as usable as before.
open the view deliveries
see "the newest 1"
open the view nodes
see "1 node"
