# Common part of the job scripts, which source it. LOGITFIELD names the program, LOGITFIELD_LAUNCH the launcher of its
# ranks.
set -euo pipefail

# One rank per core (or GPU), one BLAS thread per rank.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
# Waiting ranks must not slow down computing ranks that share their cores.
export OMPI_MCA_mpi_yield_when_idle=1

# Under srun, Open MPI starts only through PMIx; a rank that dies must end the others.
launch=${LOGITFIELD_LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1}
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

# Returns a run that signal USR1 stopped (exit code 128 + 10) to the queue, where the next job resumes it; a cancelled
# job stays cancelled. LOGITFIELD_RESTARTS limits how often.
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
