#!/usr/bin/env bash
# A real SLURM with two nodes on this one machine, for tests: without systemd, cgroups or files in /etc. The nodes claim
# CPUs, memory and GPUs that are not there. Needs root, and the packages slurm-wlm and munge.
#   local_cluster.sh start DIR   starts the daemons and waits for both nodes; all their files are in DIR
#   local_cluster.sh stop DIR    stops the daemons and removes DIR
# Then, with SLURM_CONF=DIR/slurm.conf: sbatch, srun --mpi=pmix, squeue, scancel, scontrol.
set -euo pipefail
verb=${1:?start or stop} dir=$(realpath -m "${2:?folder}")

configuration() {
  cat <<END
ClusterName=local
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$((20000 + $$ % 10000))
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdSpoolDir=$dir/spool-%n
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/slurmd-%n.log
TmpFS=$dir/tmp-%n
TaskProlog=$dir/prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
MailProg=/bin/true
MpiDefault=pmix
ReturnToService=2
# Short enough for tests: times after a signal, after a time limit, and between checks of the queue.
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=1,bf_interval=2
NodeName=n[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((30000 + $$ % 10000))-$((30001 + $$ % 10000))] CPUs=32 RealMemory=200000 Gres=gpu:a100:4
PartitionName=DEFAULT Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=all Default=YES DefMemPerCPU=1500
PartitionName=nodes DefMemPerNode=9000 OverSubscribe=EXCLUSIVE
PartitionName=whole
PartitionName=gpus DefMemPerCPU=1500 DefMemPerGPU=20000
PartitionName=low DefMemPerCPU=1500 GraceTime=30
PartitionName=high DefMemPerCPU=1500 PriorityTier=2
END
}

start() {
  [ ! -e "$dir" ] || { echo "$dir exists already" >&2; exit 2; }
  mkdir -p "$dir"/{state,spool-n1,spool-n2,tmp-n1,tmp-n2}
  chmod 755 "$dir"
  configuration >"$dir/slurm.conf"
  # SLURM counts GPUs by their device files, and does not look into these.
  touch "$dir"/gpu{0..3}
  echo "NodeName=n[1-2] Name=gpu Type=a100 File=$dir/gpu[0-3]" >"$dir/gres.conf"
  # Both nodes share one /dev/shm. Without separate folders, Open MPI's ranks of the two nodes would meet there.
  cat >"$dir/prolog" <<'END'
#!/bin/sh
folder=/dev/shm/logitfield-$SLURMD_NODENAME-$SLURM_JOB_ID
mkdir -p "$folder"
echo "export OMPI_MCA_btl_vader_backing_directory=$folder"
END
  chmod +x "$dir/prolog"
  head -c 1024 /dev/urandom >"$dir/munge.key"
  chmod 600 "$dir/munge.key"
  export SLURM_CONF=$dir/slurm.conf
  munged --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
  setsid slurmctld -D >"$dir/slurmctld.out" 2>&1 &
  echo $! >"$dir/controller.started"
  sleep 1
  for node in n1 n2; do
    setsid slurmd -D -N $node >"$dir/$node.out" 2>&1 &
    echo $! >"$dir/$node.started"
  done
  for _ in $(seq 60); do
    [ "$(sinfo -h -t idle -o %D 2>/dev/null)" != 2 ] || return 0
    sleep 1
  done
  tail -n 4 "$dir"/*.out "$dir"/*.log >&2
  echo "the nodes are not idle after 60 s: see above" >&2
  stop
  exit 1
}

stop() {
  local file
  for file in "$dir"/*.started "$dir/munged.pid"; do
    [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$dir" /dev/shm/logitfield-n[12]-*
}

case $verb in start | stop) $verb ;; *) echo "start or stop" >&2; exit 2 ;; esac
