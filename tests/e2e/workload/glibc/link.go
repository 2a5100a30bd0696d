package main

// Linked against the C library named here, so that its loader has to start the program.
// Nothing of it is called: the Go runtime brings its own everything.
//
//go:cgo_import_dynamic _ _ "libc.so.6"
