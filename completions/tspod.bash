# tspod completion for bash: put this file in ~/.local/share/bash-completion/completions/tspod,
# or write in ~/.bashrc: source <(tspod completion bash)
_tspod() {
  local line=${COMP_LINE:0:COMP_POINT} answer kind current cut i
  local -a typed
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=("")
  current=${typed[${#typed[@]} - 1]}
  COMPREPLY=()
  mapfile -t answer < <("${typed[0]}" __complete -- "${typed[@]:1}" 2>/dev/null)
  kind=${answer[0]-}
  case $kind in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"); return ;;
    directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}"); return ;;
  esac
  cut=${current%"${current##*[=:]}"}
  for ((i = 1; i < ${#answer[@]}; i++)); do
    COMPREPLY+=("${answer[i]%%$'\t'*}")
    COMPREPLY[i - 1]=${COMPREPLY[i - 1]#"$cut"}
  done
}
complete -F _tspod tspod
