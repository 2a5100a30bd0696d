// Command workload is what the end-to-end tests gate. It writes a line every 20 ms into a file of its own, so
// that the files of all workloads tell who ran when, whatever became of them: clocks of nodes are the machine's.
// A file's name is POD.TOKEN.START; its lines are nanoseconds of CLOCK_BOOTTIME. Static: it runs in any image.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

const clockBoottime = 7

func now() int64 {
	var at syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

func main() {
	folder := flag.String("folder", "", "where the file goes; empty: standard output")
	lasts := flag.Duration("lasts", 0, "end with status 0 after this long; 0: never")
	flag.Parse()

	started := now()
	out := os.Stdout
	if *folder != "" {
		name := fmt.Sprintf("%s/%s.%s.%d", *folder, os.Getenv("POD_NAME"), os.Getenv("LEADER_FENCING_TOKEN"), started)
		file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		out = file
	}
	fmt.Println("workload of token", os.Getenv("LEADER_FENCING_TOKEN"), "user", os.Getuid())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	var ends <-chan time.Time
	if *lasts > 0 {
		ends = time.After(*lasts)
	}
	beat := time.NewTicker(20 * time.Millisecond)
	for {
		fmt.Fprintln(out, now())
		select {
		case <-beat.C:
		case <-ends:
			return
		case <-stop:
			fmt.Fprintln(out, now())
			return
		}
	}
}
