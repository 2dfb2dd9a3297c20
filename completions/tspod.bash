# tspod completion for bash: put this file in ~/.local/share/bash-completion/completions/tspod,
# or write in ~/.bashrc: source <(tspod completion bash)
_tspod() {
  local line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:]/} cut="" last=-1 i word current
  local -a typed=() answer=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if ((i == 0)) || [[ $line == [[:space:]]* ]]; then typed[++last]=""; fi
    line=${line#"${line%%[![:space:]]*}"}
    word=${COMP_WORDS[i]:0:${#line}}
    line=${line#"$word"}
    typed[last]+=${word//[\"\'\\]/}
  done
  current=${typed[last]}
  if [[ -n $breaks ]]; then cut=${current%"${current##*[$breaks]}"}; fi
  COMPREPLY=()
  mapfile -t answer < <("${typed[0]/#\~/$HOME}" __complete -- "${typed[@]:1}" 2>/dev/null)
  case ${answer[0]-} in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${current#"$cut"}") ;;
    directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "${current#"$cut"}") ;;
    words)
      for ((i = 1; i < ${#answer[@]}; i++)); do
        word=${answer[i]%%$'\t'*}
        COMPREPLY+=("${word#"$cut"}")
      done
      ;;
  esac
}
complete -F _tspod tspod
