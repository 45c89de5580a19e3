#!/bin/sh
# cancel.sh JOB...: end Jobs.
exec kubectl delete --wait=false --ignore-not-found "$@"
