# Open the queue, mark two, retry, see two running.
there is a build "One" that fails at first, prints "up", waits
there is a build "Two" that fails at first, prints "up", waits
open the client
see "One" as failed
see "Two" as failed
open the view queue
see "nothing runs"
see 0 running
open the view builds
mark "One"
mark "Two"
press r
see "Retry 2 builds?"
answer "Run 2 jobs of 2 builds again"
see "2 builds: 2 jobs will run again"
see 2 running
see "One" as running
see "Two" as running
open the view queue
see "/test"
let "One" go on
let "Two" go on
see 0 running
open the view builds
see "One" as passed
see "Two" as passed
# Nothing was ordered twice.
in truth "One" has 2 attempts
in truth "Two" has 2 attempts
