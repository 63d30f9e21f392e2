# Common part of the job scripts, which source it. LOGITFIELD names the program, LOGITFIELD_LAUNCH the launcher of its
# ranks.
set -euo pipefail

# One rank per core (or GPU), one BLAS thread per rank.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
# Waiting ranks must not slow down computing ranks that share their cores.
export OMPI_MCA_mpi_yield_when_idle=1

# Under srun, Open MPI starts only through PMIx; a rank that dies must end the others. srun of SLURM 22.05 to 23.02 does
# not take over the job's cores per rank.
cores=${SLURM_CPUS_PER_TASK:+ --cpus-per-task=$SLURM_CPUS_PER_TASK}
launch=${LOGITFIELD_LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1$cores}
program=${LOGITFIELD:-logitfield}

# Runs one command on all ranks, in the background, since a shell that waits for a child in the foreground gets no
# signals. Passes on USR1 (sent by --signal before the time limit) and TERM; the program then saves its results and
# ends.
run() {
  $launch "$program" "$@" &
  local ranks=$! code=0
  trap 'kill -USR1 $ranks' USR1
  trap 'kill -TERM $ranks' TERM
  while kill -0 $ranks 2>/dev/null; do wait $ranks || true; done
  wait $ranks || code=$?
  trap - USR1 TERM
  return $code
}

# This job. The plain number of an array's last job would mean the whole array.
this_job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
this_job=${this_job:-${SLURM_JOB_ID:-}}

# Whether another job takes this one's nodes. Its ranks get TERM, as from scancel, but it counts as running until its
# time of grace is over.
is_preempted() {
  local job
  job=$(scontrol --oneliner show job "$this_job") &&
    [[ $job == *" JobState=RUNNING "* && $job =~ \ PreemptTime=[0-9] ]]
}

# Returns a run that was stopped to the queue, where the next job resumes it: by signal USR1 (exit code 128 + 10), or
# by TERM (128 + 15) in a job that is preempted. A cancelled job stays cancelled. LOGITFIELD_RESTARTS limits how often.
run_and_requeue() {
  local code=0
  run "$@" || code=$?
  [ $code = 138 ] || { [ $code = 143 ] && is_preempted; } || return $code
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "${LOGITFIELD_RESTARTS:-100}" ]; then
    echo "stopped for the ${SLURM_RESTART_COUNT:-0}th time: not put back into the queue; to resume, submit the same job again" >&2
  elif ! scontrol requeue "$this_job"; then
    echo "this node cannot put the job back into the queue; to resume, submit the same job again" >&2
  fi
  return $code
}
