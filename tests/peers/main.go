// Command client-go-elector is a candidate on client-go's own elector, unmodified. It prints one JSON line per
// event, with the boot-time and the wall clock, and may run a command while it leads. SIGTERM and SIGINT release.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

type event struct {
	Event    string   `json:"event"`
	Identity string   `json:"identity"`
	Leader   string   `json:"leader,omitempty"`
	Boot     float64  `json:"boot"`
	Wall     float64  `json:"wall"`
	PID      int      `json:"pid"`
	Error    string   `json:"error,omitempty"`
	Metrics  []string `json:"metrics,omitempty"`
}

func clock(id int32) float64 {
	var spec unix.Timespec
	if err := unix.ClockGettime(id, &spec); err != nil {
		panic(err)
	}
	return float64(spec.Sec) + float64(spec.Nsec)/1e9
}

func stamped(e event) []byte {
	e.Boot, e.Wall, e.PID = clock(unix.CLOCK_BOOTTIME), clock(unix.CLOCK_REALTIME), os.Getpid()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return append(line, '\n')
}

// One write per line, so that lines of several processes never mix.
func report(e event) {
	line := stamped(e)
	output.Lock()
	defer output.Unlock()
	_, _ = os.Stdout.Write(line)
}

var output sync.Mutex

type options struct {
	kubeconfig, namespace, name, identity string
	lease, deadline, retry                time.Duration
	release, tells                        bool
	candidates                            int
	leases                                string
	command                               []string
}

func parse() options {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "path of the kubeconfig")
	flag.StringVar(&o.namespace, "namespace", "default", "namespace of the Lease")
	flag.StringVar(&o.name, "lease", "", "name of the Lease")
	flag.StringVar(&o.identity, "identity", "", "holder identity")
	flag.DurationVar(&o.lease, "lease-duration", 15*time.Second, "LeaseDuration")
	flag.DurationVar(&o.deadline, "renew-deadline", 10*time.Second, "RenewDeadline")
	flag.DurationVar(&o.retry, "retry-period", 2*time.Second, "RetryPeriod")
	flag.BoolVar(&o.release, "release-on-cancel", true, "ReleaseOnCancel")
	flag.BoolVar(&o.tells, "tell", false, "write Events; add the metrics to the lines")
	flag.IntVar(&o.candidates, "candidates", 0, "so many in this process; they run no command")
	flag.StringVar(&o.leases, "leases", "", "their Leases, with commas; each competes for one")
	flag.Parse()
	o.command = flag.Args()
	return o
}

// runner owns the command; the command must be gone before the lease is released.
type runner struct {
	mutex   sync.Mutex
	process *exec.Cmd
	ended   chan struct{}
}

func (r *runner) start(command []string) {
	if len(command) == 0 {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.process, r.ended = exec.Command(command[0], command[1:]...), make(chan struct{})
	r.process.Stderr = os.Stderr
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func(process *exec.Cmd, ended chan struct{}) {
		// Pdeathsig fires when the thread that started the process ends, so this one stays.
		runtime.LockOSThread()
		err := process.Start()
		started <- err
		if err == nil {
			_ = process.Wait()
		}
		close(ended)
	}(r.process, r.ended)
	if err := <-started; err != nil {
		report(event{Event: "error", Error: err.Error()})
		os.Exit(1)
	}
}

func (r *runner) stop() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.process == nil {
		return
	}
	_ = r.process.Process.Signal(syscall.SIGTERM)
	<-r.ended
	r.process = nil
}

func elect(ctx context.Context, o options, r *runner) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.namespace, Name: o.name},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.identity, EventRecorder: recorder(client, o)},
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: o.lease, RenewDeadline: o.deadline, RetryPeriod: o.retry,
		ReleaseOnCancel: o.release, Name: o.name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				report(event{Event: "started_leading", Identity: o.identity, Metrics: metrics(o)})
				r.start(o.command)
			},
			OnStoppedLeading: func() {
				report(event{Event: "stopped_leading", Identity: o.identity})
			},
			OnNewLeader: func(leader string) {
				report(event{Event: "new_leader", Identity: o.identity, Leader: leader})
			},
		},
	})
	if err != nil {
		return err
	}
	report(event{Event: "campaigning", Identity: o.identity})
	elector.Run(ctx)
	return nil
}

func main() {
	o := parse()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	r := &runner{}
	go func() {
		<-signals
		r.stop()
		cancel()
	}()
	run := func() error { return elect(ctx, o, r) }
	if o.candidates > 0 {
		run = func() error { return runCrowd(ctx, o) }
	}
	err := run()
	r.stop()
	if err != nil {
		report(event{Event: "error", Identity: o.identity, Error: err.Error()})
		os.Exit(1)
	}
	if o.tells {
		select {} // until it is killed: nobody else knows when the last Event is written
	}
}
