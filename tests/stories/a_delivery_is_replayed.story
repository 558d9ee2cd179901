# A delivery is worked on once more, after a question, and once only.
there is a build "Again" that prints "up", passes
open the client
see "Again" as passed
open the view deliveries
see "the newest 1"
press a
see "It is worked on as if it came now"
answer "Leave it"
see no "It is worked on as if it came now"
press a
see "It is worked on as if it came now"
answer "Replay it"
see "is worked on once more"
see "the newest 2"
in truth there are 2 builds
open the view builds
see "2 builds"
