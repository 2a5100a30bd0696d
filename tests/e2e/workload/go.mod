module k8s-leader.test/workload

go 1.24.0
