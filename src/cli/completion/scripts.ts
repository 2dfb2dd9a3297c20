/**
 * What `tspod completion SHELL` prints: a few lines that hand the words to `tspod __complete` and its answer to the
 * shell. The answer's first line says what it is (words, files, directories); each further one is WORD TAB DESCRIPTION.
 */

export type Shell = "bash" | "zsh" | "fish";

/** Bash splits words at "=" and ":" too; candidates lose what stands before the last of them (bash(1), READLINE). */
const bash = `# tspod completion for bash: put this file in ~/.local/share/bash-completion/completions/tspod,
# or write in ~/.bashrc: source <(tspod completion bash)
_tspod() {
  local line=\${COMP_LINE:0:COMP_POINT} answer kind current cut i
  local -a typed
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=("")
  current=\${typed[\${#typed[@]} - 1]}
  COMPREPLY=()
  mapfile -t answer < <("\${typed[0]}" __complete -- "\${typed[@]:1}" 2>/dev/null)
  kind=\${answer[0]-}
  case $kind in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"); return ;;
    directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "\${COMP_WORDS[COMP_CWORD]}"); return ;;
  esac
  cut=\${current%"\${current##*[=:]}"}
  for ((i = 1; i < \${#answer[@]}; i++)); do
    COMPREPLY+=("\${answer[i]%%$'\\t'*}")
    COMPREPLY[i - 1]=\${COMPREPLY[i - 1]#"$cut"}
  done
}
complete -F _tspod tspod
`;

/** zsh's _describe wants WORD:DESCRIPTION, colons in the word escaped. */
const zsh = `#compdef tspod
# tspod completion for zsh: put this file as _tspod in a directory of $fpath,
# or write in ~/.zshrc, after compinit: source <(tspod completion zsh)
_tspod() {
  local -a answer candidates
  local line
  answer=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  case "$answer[1]" in
    files) _files; return ;;
    directories) _files -/; return ;;
  esac
  for line in "\${(@)answer[2,-1]}"; do
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe tspod candidates
}
if [[ "$funcstack[1]" == _tspod ]]; then
  _tspod "$@"
else
  compdef _tspod tspod
fi
`;

const fish = `# tspod completion for fish: put this file in ~/.config/fish/completions/tspod.fish
function __tspod_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l answer ($typed[1] __complete -- $typed[2..] 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\\n' $answer[2..]
    end
end
complete -c tspod -f -a '(__tspod_complete)'
`;

export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
