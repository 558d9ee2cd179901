# Browse, open a build, read its log, and go back.
there is a build "One" that prints "hello there", passes
there is a build "Two" that prints "begun", prints "error: left is not right", fails
open the client
see "One" as passed
see "Two" as failed
open "One"
see "whole build"
press j Enter
see "hello there"
press q q
see "2 builds"
open "Two"
see "error: left is not right"
press j Enter
see "1/1 work"
see "error: left is not right"
press q q
open the view repositories
see "acme/app"
open the view nodes
see "1 node"
open the view builds
see "2 builds"
