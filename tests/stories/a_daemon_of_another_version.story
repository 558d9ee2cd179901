# A daemon that this client does not understand is named as such, and the client waits for one that it does.
there is a build "One" that passes
open the client
see "One" as passed
the daemon speaks version 2
the line drops
see "it speaks protocol 2, not 1: use the windlass that came with"
see "One" as passed
press ?
see "In lists"
press q
the daemon speaks version 1
see "connected again"
see no "speaks protocol 2"
