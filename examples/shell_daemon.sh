#!/bin/sh
# A daemon that knows nothing of elections; one replica of it runs:
#
#   k8s-leader run --lease reports -- sh examples/shell_daemon.sh /tmp/journal
set -eu
echo "start $LEADER_FENCING_TOKEN" >>"$1"
trap 'echo "stop $LEADER_FENCING_TOKEN" >>"$1"; exit 0' TERM
while :; do
    sleep 0.1 &
    wait $!
done
