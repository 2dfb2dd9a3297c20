/**
 * What `tspod completion SHELL` prints: a few lines that hand the words to `tspod __complete` and its answer to the
 * shell. The answer's first line says what it is (words, files, directories); each further one is WORD TAB DESCRIPTION.
 */

export type Shell = "bash" | "zsh" | "fish";

/**
 * Readline splits words at "=" and ":" too (COMP_WORDBREAKS in bash(1)): the pieces are put together again, and
 * candidates lose what stands before the last of those characters, for only the last piece is replaced.
 */
const bash = `# tspod completion for bash: put this file in ~/.local/share/bash-completion/completions/tspod,
# or write in ~/.bashrc: source <(tspod completion bash)
_tspod() {
  local line=\${COMP_LINE:0:COMP_POINT} breaks=\${COMP_WORDBREAKS//[^=:]/} cut="" last=-1 i word current
  local -a typed=() answer=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if ((i == 0)) || [[ $line == [[:space:]]* ]]; then typed[++last]=""; fi
    line=\${line#"\${line%%[![:space:]]*}"}
    word=\${COMP_WORDS[i]:0:\${#line}}
    line=\${line#"$word"}
    typed[last]+=\${word//[\\"\\'\\\\]/}
  done
  current=\${typed[last]}
  if [[ -n $breaks ]]; then cut=\${current%"\${current##*[$breaks]}"}; fi
  COMPREPLY=()
  mapfile -t answer < <("\${typed[0]/#\\~/$HOME}" __complete -- "\${typed[@]:1}" 2>/dev/null)
  case \${answer[0]-} in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "\${current#"$cut"}") ;;
    directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "\${current#"$cut"}") ;;
    words)
      for ((i = 1; i < \${#answer[@]}; i++)); do
        word=\${answer[i]%%$'\\t'*}
        COMPREPLY+=("\${word#"$cut"}")
      done
      ;;
  esac
}
complete -F _tspod tspod
`;

/** zsh's _describe wants WORD:DESCRIPTION, colons in the word escaped. PREFIX is the word up to the cursor. */
const zsh = `#compdef tspod
# tspod completion for zsh: put this file as _tspod in a directory of $fpath,
# or write in ~/.zshrc, after compinit: source <(tspod completion zsh)
_tspod() {
  local -a typed answer candidates
  local line
  typed=("\${(@Q)words[1,CURRENT-1]}" "\${(Q)PREFIX}")
  answer=("\${(@f)$("\${typed[1]/#\\~/$HOME}" __complete -- "\${(@)typed[2,-1]}" 2>/dev/null)}")
  if [[ "$answer[1]" != words && "$PREFIX" == --*=* ]]; then compset -P '*='; fi
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

/**
 * fish replaces the whole word, so what stands before a path behind "=" is put back. `complete -C "'' PATH"` is how
 * fish's own functions ask for paths: the completions of a command nobody has described.
 */
const fish = `# tspod completion for fish: put this file in ~/.config/fish/completions/tspod.fish
function __tspod_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $typed[1])
    set -l answer ($program __complete -- $typed[2..] 2>/dev/null)
    set -l flag (string match -r -- '^--[^=]+=' $typed[-1])
    set -l path (string replace -r -- '^--[^=]+=' '' $typed[-1])
    switch "$answer[1]"
        case files
            complete -C "'' $path" | string replace -r -- '^' "$flag"
        case directories
            complete -C "'' $path" | string match -r -- '.*/$' | string replace -r -- '^' "$flag"
        case words
            printf '%s\\n' $answer[2..]
    end
end
complete -c tspod -f -a '(__tspod_complete)'
`;

export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
