# What every job script does; sourced by them. LOGITFIELD names the program, LOGITFIELD_LAUNCH what starts its ranks.
set -euo pipefail

# One rank per core (or GPU), one BLAS thread per rank.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
# Ranks that wait must not starve ranks that compute where they share cores.
export OMPI_MCA_mpi_yield_when_idle=1

# Open MPI starts under srun through PMIx only; a rank that dies must take the others with it.
launch=${LOGITFIELD_LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1}
program=${LOGITFIELD:-logitfield}

# Runs one command on all ranks, in the background: a shell that waits for a child in the foreground hears no signals.
# USR1 (sent by --signal before the time limit) and TERM are passed on; the program then saves what it has and ends.
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

# A run that a signal USR1 stopped (exit code 128 + 10) goes back into the queue, to go on where it was; a job that was
# cancelled does not. LOGITFIELD_RESTARTS bounds how often.
run_and_requeue() {
  local code=0
  run "$@" || code=$?
  [ $code = 138 ] || return $code
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "${LOGITFIELD_RESTARTS:-100}" ]; then
    echo "stopped for the ${SLURM_RESTART_COUNT}th time: not put back into the queue; submit the same again to go on" >&2
  elif ! scontrol requeue "$SLURM_JOB_ID"; then
    echo "this node cannot put the job back into the queue; submit the same again to go on" >&2
  fi
  return $code
}
