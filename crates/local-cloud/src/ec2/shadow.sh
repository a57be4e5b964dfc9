#!/bin/sh
# Replaces, inside an instance, the programs with which user data would change the machine itself.
dir=@DIR@
name=${0##*/}

# The cloud reads these lines.
say() { printf '%s\n' "$*" >"$dir/power"; }

refuse() {
    echo "$name: $*" >&2
    exit 1
}

schedule() {
    kind=off when=
    for argument; do
        case $argument in
        -c) say cancel; exit 0 ;;
        -k) kind=none ;;
        -r | --reboot) kind=reboot ;;
        --help) echo 'shutdown [-h|-P|-r] [-c] [now|+MINUTES|HH:MM] [MESSAGE]'; exit 0 ;;
        -*) ;;
        *) when=$argument; break ;;
        esac
    done
    number=${when#+}
    case ${when:-+1} in
    now) seconds=0 ;;
    [0-9]*:[0-9]*)
        at=$(date -d "$when" +%s 2>/dev/null) || refuse "Failed to parse time specification: $when"
        seconds=$((at - $(date +%s)))
        [ "$seconds" -ge 0 ] || seconds=$((seconds + 86400))
        ;;
    *)
        case ${number:=1} in *[!0-9]* | ???????*) refuse "Failed to parse time specification: $when" ;; esac
        seconds=$((number * 60))
        ;;
    esac
    [ "$kind" = none ] || say "$kind" "$seconds"
    [ "$seconds" = 0 ] || echo "Shutdown scheduled in $seconds seconds, use 'shutdown -c' to cancel." >&2
}

case $name in
shutdown) schedule "$@" ;;
poweroff | halt) say off 0 ;;
reboot) say reboot 0 ;;
systemctl)
    for argument; do
        case $argument in
        poweroff | halt) say off 0; exit 0 ;;
        reboot) say reboot 0; exit 0 ;;
        esac
    done
    refuse 'an instance of the local cloud is no machine with services of its own'
    ;;
sudo)
    # The command runs as the same user, and finds the same programs.
    login=
    while [ $# -gt 0 ]; do
        case $1 in
        --) shift; break ;;
        -[ughpCDRTUrt])
            shift
            [ $# -gt 0 ] || refuse 'option requires an argument'
            ;;
        -i | -s | --login | --shell) login=yes ;;
        -*) ;;
        *) break ;;
        esac
        shift
    done
    if [ $# -eq 0 ]; then
        [ -n "$login" ] || refuse 'a command is needed'
        exec "${SHELL:-/bin/sh}"
    fi
    exec env -- "$@"
    ;;
*) refuse 'this AMI is the machine that the local cloud runs on, and instances cannot install packages on it' ;;
esac
