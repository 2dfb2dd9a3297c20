# tspod completion for fish: put this file in ~/.config/fish/completions/tspod.fish
function __tspod_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l answer ($typed[1] __complete -- $typed[2..] 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $answer[2..]
    end
end
complete -c tspod -f -a '(__tspod_complete)'
