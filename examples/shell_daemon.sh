#!/bin/sh
# A daemon that knows nothing of elections; one replica of it runs:
#
#   k8s-leader run --lease reports -- sh examples/shell_daemon.sh /tmp/journal
set -eu
trap 'echo "stop $LEADER_FENCING_TOKEN" >>"$1"; exit 0' TERM
echo "start $LEADER_FENCING_TOKEN" >>"$1"
while :; do
    sleep 0.1 &
    wait $!
done
