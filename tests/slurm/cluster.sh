# A Slurm cluster of one node on the loopback interface, for run.sh: to be sourced, then `start_cluster FOLDER` and,
# whatever happened meanwhile, `stop_cluster`. It starts munged, slurmctld and slurmd. All it writes is in FOLDER, but
# for links to its configuration: Snakemake's executor takes SLURM_CONF out of the environment of what it starts.
CONF=/etc/slurm/slurm.conf
GRES=/etc/slurm/gres.conf
MARK="# made by tests/slurm/cluster.sh"
DAEMONS=()

free_ports() {
    python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

# start_daemon NAME COMMAND...: in the foreground of a background job, so that its process id is known and it can be ended.
start_daemon() {
    local name=$1
    shift
    "$@" >"$CLUSTER/$name.out" 2>&1 &
    DAEMONS+=($!)
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local seconds=$1 what=$2
    shift 2
    for ((i = 0; i < 5 * seconds; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    echo "waited $seconds s in vain: $what" >&2
    return 1
}

# Whether the links are those of an earlier test that was killed: its mark is in the file and its controller is gone.
left_over() {
    local controller
    [ -L "$CONF" ] || return 1
    case "$(readlink "$CONF")" in */cluster/slurm.conf) ;; *) return 1 ;; esac
    [ -e "$CONF" ] || return 0
    grep -qx "$MARK" "$CONF" || return 1
    controller=$(cat "$(dirname "$(readlink "$CONF")")/slurmctld.pid" 2>/dev/null) || return 0
    ! [ "$(cat "/proc/$controller/comm" 2>/dev/null)" = slurmctld ]
}

start_cluster() {
    CLUSTER=$1
    local host ports
    if left_over; then
        [ "$(dirname "$(readlink "$GRES")")" != "$(dirname "$(readlink "$CONF")")" ] || rm -f "$GRES"
        rm -f "$CONF"
    fi
    if [ -e "$CONF" ] || [ -e "$GRES" ]; then
        echo "there is $CONF or $GRES: this machine has a Slurm of its own, which this test leaves alone" >&2
        return 1
    fi
    host=$(hostname -s)
    read -r -a ports < <(free_ports 2)
    mkdir -p "$CLUSTER"/{state,spool} "$(dirname "$CONF")"
    chmod -R 755 "$CLUSTER"
    head -c 128 /dev/urandom >"$CLUSTER/munge.key"
    chmod 400 "$CLUSTER/munge.key"
    # No accounting, no cgroups: a job gets its cores by affinity, and the controller remembers jobs that have ended.
    # The node says that it has a GPU, so that one can be asked for.
    cat >"$CLUSTER/slurm.conf" <<CONF
$MARK
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$CLUSTER/munge.socket
CredType=cred/munge
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/spool
SlurmctldPidFile=$CLUSTER/slurmctld.pid
SlurmdPidFile=$CLUSTER/slurmd.pid
SlurmctldLogFile=$CLUSTER/slurmctld.log
SlurmdLogFile=$CLUSTER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_interval=2,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 Gres=gpu:1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
    unset SLURM_CONF
    echo "Name=gpu File=/dev/null" >"$CLUSTER/gres.conf"
    ln -sfn "$CLUSTER/slurm.conf" "$CONF"
    ln -sfn "$CLUSTER/gres.conf" "$GRES"
    start_daemon munged munged --foreground --num-threads=2 --key-file="$CLUSTER/munge.key" \
        --socket="$CLUSTER/munge.socket" --pid-file="$CLUSTER/munged.pid" --log-file="$CLUSTER/munged.log" \
        --seed-file="$CLUSTER/munged.seed"
    wait_for 20 "for munged" test -S "$CLUSTER/munge.socket"
    start_daemon slurmctld slurmctld -D
    wait_for 20 "for slurmctld" scontrol ping
    start_daemon slurmd slurmd -D
    wait_for 20 "for the node to be idle" sh -c 'sinfo --noheader --format=%T | grep -qx idle'
}

# Cancel what runs, then end the daemons, the last one started first.
stop_cluster() {
    if [ ${#DAEMONS[@]} -gt 2 ]; then
        timeout 20 scancel --user="$(id -un)" || true
        wait_for 30 "for cancelled jobs to end" sh -c '[ -z "$(squeue --noheader)" ]' || true
    fi
    for ((i = ${#DAEMONS[@]} - 1; i >= 0; i--)); do
        kill "${DAEMONS[i]}" 2>/dev/null || true
        wait "${DAEMONS[i]}" 2>/dev/null || true
    done
    DAEMONS=()
    if [ "$(readlink "$CONF")" = "${CLUSTER:-}/slurm.conf" ]; then rm -f "$CONF" "$GRES"; fi
}
