# tspod completion for fish: put this file in ~/.config/fish/completions/tspod.fish
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
            printf '%s\n' $answer[2..]
    end
end
complete -c tspod -f -a '(__tspod_complete)'
