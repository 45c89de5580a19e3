#!/bin/sh
# submit.sh THREADS MEMORY_MB GPUS TIMING SCRIPT: start a Job that runs Snakemake's script, print its name.
set -eu
threads=$1 memory=$2 gpus=$3 timing=$4 script=$5
: "${STILTS_CLAIM:?set it to the PersistentVolumeClaim that holds the checkout}"
: "${STILTS_VOLUME:?set it to the path of that volume, a parent of the checkout}"
: "${STILTS_IMAGE:?set it to an image with the Python that .venv was made with, such as python:3.11}"

# No two pods of this study share a node with one that times; pods of others are kept away by STILTS_NODES=key=value,
# the label of nodes that are set apart.
[ "$timing" -gt 1 ] && keep_away='{app: stilts}' || keep_away='{app: stilts, timing: "yes"}'
[ "$timing" -gt 1 ] && times=yes || times=no
[ -z "${STILTS_NODES:-}" ] && nodes='{}' || nodes="{${STILTS_NODES%%=*}: \"${STILTS_NODES#*=}\"}"
[ "$gpus" -gt 0 ] && gpu=", nvidia.com/gpu: $gpus" || gpu=

kubectl create --output name --filename - <<JOB
apiVersion: batch/v1
kind: Job
metadata: {generateName: stilts-, labels: {app: stilts}}
spec:
  backoffLimit: 0                  # Snakemake starts a lost job again, not Kubernetes
  ttlSecondsAfterFinished: 86400
  template:
    metadata: {labels: {app: stilts, timing: "$times"}}
    spec:
      restartPolicy: Never
      nodeSelector: $nodes
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {labelSelector: {matchLabels: $keep_away}, topologyKey: kubernetes.io/hostname}
      containers:
        - name: run
          image: "$STILTS_IMAGE"
          command: [/bin/sh, "$script"]
          workingDir: "$PWD"
          env:
            - {name: PATH, value: "$PATH"}
            - {name: HF_HUB_OFFLINE, value: "${HF_HUB_OFFLINE:-0}"}
            - {name: STILTS_MIRROR, value: "${STILTS_MIRROR:-}"}
            - {name: STILTS_CACHE, value: "${STILTS_CACHE:-runs/cache}"}
            - {name: HF_HOME, value: "${HF_HOME:-$PWD/runs/cache/hub}"}  # the home folder of a pod ends with it
          resources:
            requests: {cpu: $threads, memory: ${memory}M}
            limits: {cpu: $threads, memory: ${memory}M$gpu}
          volumeMounts: [{name: checkout, mountPath: "$STILTS_VOLUME"}]
      volumes: [{name: checkout, persistentVolumeClaim: {claimName: "$STILTS_CLAIM"}}]
JOB
