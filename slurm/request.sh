# shellcheck shell=bash
# Finds out what a job requests from SLURM. sbatch itself reads the options: those of the command line, the SBATCH_ variables and the
# #SBATCH lines of the script. `sbatch --verbose --test-only` submits nothing and prints them in one spelling.

# Options of sbatch that change the layout of a job in ways that this script does not support.
UNREAD_OPTIONS='clusters core-spec cores-per-socket cpus-per-gpu extra-node-info gpus-per-socket gpus-per-task hint
  mincpus nodefile ntasks-per-board ntasks-per-core ntasks-per-gpu ntasks-per-socket overcommit sockets-per-node
  thread-spec threads-per-core tres-per-task'

# Sets asked (an option's value by its long name), test_nodes (nodes that SLURM would choose if it started the job now)
# and unread (why the request could not be read).
read_request() {  # SBATCH OPTION... SCRIPT
  local told line inside='' ended=0 word words=()
  unset asked
  declare -gA asked=()
  unread='' test_nodes=''
  for word in "$@"; do [[ $word = -Q || $word = --quiet ]] || words+=("$word"); done  # with these, sbatch would print nothing
  told=$(sbatch --verbose --test-only "${words[@]}" 2>&1) || true
  while IFS= read -r line; do
    if [[ $line == *": defined options" ]]; then inside=yes
    elif [[ $line == *": end of defined options" ]]; then inside='' ended=$((ended + 1))
    elif [[ -n $inside && $line =~ ^[^:]*:\ ([a-z0-9-]+)\ *:\ (.*)$ ]]; then asked[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    elif [[ $line =~ \ on\ nodes\ ([^ ]+)\ in\ partition ]]; then test_nodes=${BASH_REMATCH[1]}
    fi
  done <<<"$told"
  if [ $ended = 0 ]; then
    unread="sbatch does not say how it reads its options: $(tail -n 1 <<<"$told")"
  elif [ $ended -gt 1 ]; then
    unread="the job has several components"
  fi
}

# The number of GPUs in "2", "a100:2" or "a100:1,h100:1"; with "generic", in a list of generic resources such as
# "gres:gpu:a100:2,gres:nvme:1". A kind without a number counts one.
count_gpus() {  # VALUE [generic]
  sed -e 's/([^)]*)//g' -e 's/,/\n/g' <<<"$1" |
    awk -F '[:=/]' -v generic="${2:-}" '
      { first = $1 == "gres" ? 2 : 1 }
      NF > 0 && (generic == "" || $first == "gpu") { sum += $NF ~ /^[0-9]+$/ ? $NF : 1 }
      END { print sum + 0 }'
}

# MiB of "64G", or of "3907" (MiB).
in_mib() {
  case $1 in
    0\?) echo 0 ;;  # as sbatch writes it
    *K) quotient "${1%K}" 1024 ;;
    *G) echo $((${1%G} * 1024)) ;;
    *T) echo $((${1%T} * 1024 * 1024)) ;;
    *) echo "${1%M}" ;;
  esac
}

quotient() { echo $((($1 + $2 - 1) / $2)); }  # rounded up
least() { awk '{ for (i = 1; i <= NF; i++) if (out == "" || $i + 0 < out) out = $i + 0 } END { print out }' <<<"$*"; }

# The value of NAME=VALUE in what scontrol shows; empty where none is set.
shown() {  # NAME TEXT
  [[ $2 =~ (^|[[:space:],=])$1[[:space:]]*=[[:space:]]*([^[:space:],]+) ]] || return 0
  case ${BASH_REMATCH[2]} in UNLIMITED | 0 | "(null)") ;; *) echo "${BASH_REMATCH[2]}" ;; esac
}

# Sets the resources of the smallest node that the job may get: node_cpus, node_gpus, node_memory (MiB). Sets the memory
# in MiB of jobs that request none: default_per_cpu, _gpu, _node (empty: all of the node's). Sets whole_nodes.
read_partitions() {
  local partition facts config nodes per_cpu='' per_gpu='' per_node=''
  local partitions=${asked[partition]:-$(sinfo --noheader --format=%P | sed -n 's/\*$//p')}
  # If nodes are chosen by name or feature, the nodes that sbatch would take now stand for all.
  local chosen=${asked[constraint]:+$test_nodes}${asked[exclude]:+$test_nodes}
  chosen=${asked[nodelist]:-$chosen}
  config=$(scontrol show config)
  case ${asked[exclusive]:-} in '' | user | mcs | topo) whole_nodes='' ;; *) whole_nodes=yes ;; esac
  [[ $config != *select/linear* ]] || whole_nodes=yes
  for partition in ${partitions//,/ }; do
    facts=$(scontrol --oneliner show partition "$partition")
    [[ $facts != *OverSubscribe=EXCLUSIVE* ]] || whole_nodes=yes
    per_cpu+=" $(shown DefMemPerCPU "$facts")"
    per_node+=" $(shown DefMemPerNode "$facts")"
    per_gpu+=" $(shown DefMemPerGPU "$facts")"
  done
  default_per_cpu=$(least "$per_cpu") default_per_node=$(least "$per_node") default_per_gpu=$(least "$per_gpu")
  if [ -z "$default_per_cpu$default_per_node" ]; then
    default_per_cpu=$(shown DefMemPerCPU "$config") default_per_node=$(shown DefMemPerNode "$config")
  fi
  default_per_gpu=${default_per_gpu:-$(shown DefMemPerGPU "$config")}
  nodes=$(sinfo --noheader --exact --partition="$partitions" ${chosen:+--nodes="$chosen"} --format='%c %m %G')
  node_cpus=$(least "$(awk '{ print $1 }' <<<"$nodes")")
  node_memory=$(least "$(awk '{ print $2 }' <<<"$nodes")")
  node_gpus=$(least "$(while read -r _ _ facts; do count_gpus "$facts" generic; done <<<"$nodes" | sed '/^0$/d')")
}

# Sets gpus: the number per node, or for the whole job if of_job is set.
read_gpus() {
  of_job=''
  if [ -n "${asked[gpus-per-node]:-}" ]; then gpus=$(count_gpus "${asked[gpus-per-node]}")
  elif [ -n "${asked[gpus]:-}" ]; then gpus=$(count_gpus "${asked[gpus]}") of_job=yes
  elif [ -n "${asked[gpus-per-task]:-}${asked[gpus-per-socket]:-}" ]; then gpus=unread
  else gpus=$(count_gpus "${asked[gres]:-}" generic)
  fi
}

# Sets nodes as sbatch would: if the request gives no number, the fewest nodes that hold the job.
read_nodes() {
  local per_node=$node_cpus per_cpu=${asked[mem-per-cpu]:-${default_per_cpu}M}
  nodes=${asked[nodes]:-}
  [[ $nodes =~ ^([0-9]+)-([0-9]+)$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]] && nodes=${BASH_REMATCH[1]}
  [ -z "$nodes" ] || return 0
  if [ -n "${asked[nodelist]:-}" ]; then
    nodes=$(scontrol show hostnames "${asked[nodelist]}" | wc -l)
  elif [ -n "${asked[ntasks]:-}" ] && [ -n "${asked[ntasks-per-node]:-}" ]; then
    nodes=$(quotient "${asked[ntasks]}" "${asked[ntasks-per-node]}")
  else
    per_cpu=$(in_mib "$per_cpu")
    if [ "${per_cpu:-0}" -gt 0 ] && [ -z "${asked[mem]:-}${asked[mem-per-gpu]:-}" ]; then
      per_node=$(least "$per_node $((node_memory / per_cpu))")
    fi
    nodes=$(quotient $((${asked[ntasks]:-1} * cpus)) $((per_node > 0 ? per_node : 1)))
    if [ -n "$of_job" ] && [ "$gpus" -gt $((nodes * ${node_gpus:-1})) ]; then nodes=$(quotient "$gpus" "${node_gpus:-1}"); fi
  fi
}

# Sets memory: MiB per node for this job.
read_memory() {
  local job_cpus=$((ranks * cpus)) job_gpus=$gpus per_cpu=${asked[mem-per-cpu]:-} per_gpu=${asked[mem-per-gpu]:-}
  [ -z "$whole_nodes" ] || job_cpus=$node_cpus job_gpus=${node_gpus:-0}
  memory=${asked[mem]:-}
  if [ -z "$memory$per_cpu$per_gpu" ]; then
    [ "$gpus" = 0 ] || per_gpu=$default_per_gpu
    [ -n "$per_gpu" ] || per_cpu=$default_per_cpu memory=$default_per_node
  fi
  if [ -n "$memory" ]; then memory=$(in_mib "$memory")
  elif [ -n "$per_gpu" ]; then memory=$(($(in_mib "$per_gpu") * job_gpus))
  elif [ -n "$per_cpu" ]; then memory=$(($(in_mib "$per_cpu") * job_cpus))
  fi
  [ "${memory:-0}" -gt 0 ] || memory=$node_memory
}

# Sets what the job gets: nodes; ranks, gpus and memory per node; cpus per rank. If that is unknown, sets unread to the
# reason.
understand_request() {
  local option
  read_gpus
  for option in $UNREAD_OPTIONS; do
    [ -n "$unread" ] || [ -z "${asked[$option]:-}" ] || unread="--$option is not supported here"
  done
  [ -z "$unread" ] || return 0
  cpus=${asked[cpus-per-task]:-1}
  read_partitions
  read_nodes
  if [[ ! $nodes =~ ^[1-9][0-9]*$ ]]; then
    unread="the number of nodes is left open (--nodes=$nodes)"
  elif [[ -n $of_job && $nodes != 1 && (${asked[gpus]} == *,* || $((gpus % nodes)) != 0) ]]; then
    unread="$gpus GPUs on $nodes nodes are not the same number on each"
  elif [ $((${asked[ntasks]:-0} % nodes)) != 0 ]; then
    unread="${asked[ntasks]} tasks on $nodes nodes are not the same number on each"
  elif [[ ! $node_memory =~ ^[0-9]+$ ]]; then
    unread="sinfo lists no nodes"
  fi
  [ -z "$unread" ] || return 0
  [ -z "$of_job" ] || gpus=$((gpus / nodes))
  if [ -n "${asked[ntasks]:-}" ]; then ranks=$((asked[ntasks] / nodes))
  else ranks=${asked[ntasks-per-node]:-$((gpus > 0 ? gpus : 1))}
  fi
  read_memory
}

# Sets pins: options for all that sbatch would otherwise choose itself, or divide unevenly.
pin_request() {
  pins=()
  [ "${asked[nodes]:-}" = "$nodes" ] || pins+=(--nodes="$nodes")
  [ "${asked[ntasks-per-node]:-}" = "$ranks" ] || pins+=(--ntasks-per-node="$ranks")
  [ -z "$of_job" ] || [ "$nodes" = 1 ] || pins+=(--gpus-per-node="$(sed "s/[0-9]*$/$gpus/" <<<"${asked[gpus]}")")
}
