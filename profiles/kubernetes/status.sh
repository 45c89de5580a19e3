#!/bin/sh
# status.sh JOB: running, success or failed. A Job that is gone has failed; a server that does not answer is asked again.
state=$(kubectl get "$1" --ignore-not-found --output 'jsonpath=job {.status.succeeded}/{.status.failed}') || state="job /"
case $state in
    "job 1/"*) echo success ;;
    "job /") echo running ;;
    *) echo failed ;;
esac
