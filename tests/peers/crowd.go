package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// How long a candidate that gave its lease up on request stays out; as long as one of ours does.
const steppedDown = 2 * time.Second

// crowd is many candidates in one process that share a client. Its own limit of requests (5 per second by
// default) is off: with it, hundreds of candidates could not even poll. SIGUSR1 makes those that lead release.
type crowd struct {
	options options
	client  kubernetes.Interface
	mutex   sync.Mutex
	leading map[int]context.CancelFunc
}

func runCrowd(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	c := &crowd{options: o, client: client, leading: map[int]context.CancelFunc{}}
	c.obey()
	names := strings.Split(o.leases, ",")
	var all sync.WaitGroup
	for number := range o.candidates {
		all.Add(1)
		go func() {
			defer all.Done()
			c.compete(ctx, number, names[number%len(names)])
		}()
	}
	report(event{Event: "ready"})
	all.Wait()
	return nil
}

func (c *crowd) obey() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			c.mutex.Lock()
			for _, cancel := range c.leading {
				cancel()
			}
			c.mutex.Unlock()
		}
	}()
}

func (c *crowd) compete(ctx context.Context, number int, name string) {
	for ctx.Err() == nil {
		term, cancel := context.WithCancel(ctx)
		if err := c.campaign(term, cancel, number, name); err != nil {
			report(event{Event: "error", Error: err.Error()})
			os.Exit(1)
		}
		cancel()
		time.Sleep(steppedDown)
	}
}

func (c *crowd) campaign(ctx context.Context, cancel context.CancelFunc, number int, name string) error {
	o, identity := c.options, fmt.Sprintf("%s-%d", c.options.identity, number)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: o.namespace, Name: name},
			Client:     c.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration: o.lease, RenewDeadline: o.deadline, RetryPeriod: o.retry,
		ReleaseOnCancel: o.release, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				c.mutex.Lock()
				c.leading[number] = cancel
				c.mutex.Unlock()
				report(event{Event: "leads", Identity: identity})
			},
			OnStoppedLeading: func() {
				c.mutex.Lock()
				delete(c.leading, number)
				c.mutex.Unlock()
			},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(ctx)
	return nil
}
