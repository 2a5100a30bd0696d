package main

import (
	"net/http"
	"net/http/httptest"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/component-base/metrics/legacyregistry"
	// Gives client-go's elector the metrics that the components of Kubernetes have.
	_ "k8s.io/component-base/metrics/prometheus/clientgo/leaderelection"
)

// recorder writes Events as the components of Kubernetes do, where they are asked for.
func recorder(client kubernetes.Interface, o options) resourcelock.EventRecorder {
	if !o.tells {
		return nil
	}
	broadcaster := record.NewBroadcaster()
	sink := &typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events(o.namespace)}
	broadcaster.StartRecordingToSink(sink)
	return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "client-go-elector"})
}

// metrics returns what a Prometheus would read of the elector now.
func metrics(o options) []string {
	if !o.tells {
		return nil
	}
	answer := httptest.NewRecorder()
	legacyregistry.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var found []string
	for line := range strings.Lines(answer.Body.String()) {
		if strings.Contains(line, "leader_election_") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
