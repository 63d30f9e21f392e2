# shellcheck shell=bash
# Lists of runs: a file with the options of a run on each line, quoted as for a shell; empty lines and lines that begin
# with # are skipped. Such a list is data: nothing in it is evaluated.

# Sets lines.
read_runs() {  # FILE
  [ -r "$1" ] || { echo "$1: cannot be read; give a file with the options of a run on each line" >&2; return 2; }
  # Removes the carriage returns of lists written on Windows.
  # Names need not be valid in the locale, which may differ on the nodes.
  mapfile -t lines < <(LC_ALL=C sed -e 's/\r$//' -e '1s/^\xef\xbb\xbf//' "$1" | LC_ALL=C grep -a -v -e '^[[:space:]]*$' -e '^[[:space:]]*#')
  [ ${#lines[@]} -gt 0 ] || { echo "$1: holds no run" >&2; return 2; }
}

# Text between double quotes, where a backslash makes \ " $ and ` ordinary.
unescaped() {
  local rest=$1 out=
  while [[ $rest =~ ^([^\\]*)\\(.)(.*)$ ]]; do
    out+=${BASH_REMATCH[1]}
    [[ ${BASH_REMATCH[2]} == [\\\"\$\`] ]] || out+=\\
    out+=${BASH_REMATCH[2]}
    rest=${BASH_REMATCH[3]}
  done
  printf '%s' "$out$rest"
}

# Sets words to those of a line. What a shell would expand or act upon is refused where it is not quoted.
split_words() {  # LINE
  local LC_ALL=C rest=$1 word='' started='' piece
  local plain="^(([^][:space:]\\\\'\"\$\`*?[{~;&|<>()#]|])+)" quoted='^"(([^"\\$`]|\\.)*)"'
  words=()
  while [ -n "$rest" ]; do
    piece=
    if [[ $rest =~ ^[[:space:]]+ ]]; then
      [ -z "$started" ] || words+=("$word")
      word='' started=''
      rest=${rest:${#BASH_REMATCH[0]}}
      continue
    elif [[ -z $started && $rest == \#* ]]; then
      break  # a comment
    elif [[ $rest =~ $quoted ]]; then
      piece=${BASH_REMATCH[0]}
      word+=$(unescaped "${BASH_REMATCH[1]}")
    elif [[ $rest =~ ^\'([^\']*)\' || $rest =~ ^\\(.) || $rest =~ $plain || (-n $started && $rest =~ ^([~#])) ]]; then
      piece=${BASH_REMATCH[0]}
      word+=${BASH_REMATCH[1]}
    elif [[ $rest == [\'\\]* || $rest =~ ^\"([^\"\\$\`]|\\.)*$ ]]; then
      echo "a quote is not closed: $1" >&2
      return 2
    else
      echo "nothing in a list of runs is expanded or executed: write the words out, or put single quotes around them:" \
        "${rest%%[[:space:]]*}" >&2
      return 2
    fi
    started=yes
    rest=${rest:${#piece}}
  done
  [ -z "$started" ] || words+=("$word")
}
