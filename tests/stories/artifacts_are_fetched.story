# What a job left is found, saved from the screen, and fetched by a command: exactly, and nothing is written over.
there is a build "Wheels" that leaves 3500000 bytes as "dist/app.whl", leaves 12 bytes as "notes.txt", passes
there is a build "Nothing" that passes
open the client
see "Wheels" as passed
see "Nothing" as passed
open "Wheels"
see "left 2 files, 3500 kB"
press A
see "dist/app.whl"
press S
see "app.whl, 3500 kB"
there is a file "app.whl" of 3500000 bytes
press Enter
see "it was there already"
press j Enter
see "notes.txt, 12 B"
there is a file "notes.txt" of 12 bytes
press / w h l Enter
see "1 file, 3500 kB shown"
press Esc Esc
see "whole build"
fetch "Wheels" into "out"
there is a file "out/dist/app.whl" of 3500000 bytes
there is a file "out/notes.txt" of 12 bytes
press q
open "Nothing"
press A
see "no job of this build left files"
see "artifacts: [dist/**]"
press A q
see "2 builds"
