#!/bin/sh
# The first process of an instance: init.sh FOLDER isolated|shared [USER_DATA]
dir=$1
if [ "$2" = isolated ]; then
    # In namespaces of its own, the instance has its own /var/log. The full paths of the machine's programs lead to
    # their replacements, too. The cloud's folder has the keys, so the instance sees only its own part of it.
    mount --bind "$dir/log" /var/log
    cloud=${dir%/*/*}
    inner=$dir/tmp${dir#"$cloud"}
    mount -t tmpfs none "$dir/tmp" && mkdir -p "$inner" && mount --bind "$dir" "$inner" &&
        mount --rbind "$dir/tmp" "$cloud" && cd "$dir/root"
    for shadow in "$dir"/bin/*; do
        name=${shadow##*/}
        [ "$name" != aws ] || continue
        for place in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
            [ ! -f "$place/$name" ] || mount --bind "$shadow" "$place/$name"
        done
    done
fi
if [ -n "$3" ]; then
    {
        "$3" </dev/null
        status=$?
        if [ "$status" != 0 ]; then
            echo "cc_scripts_user.py[WARNING]: Failed to run module scripts-user (scripts in ${3%/*})"
            echo "util.py[WARNING]: Failed running $3 [$status]"
        fi
        echo "Cloud-init finished: user data ended with exit status $status"
    } &
fi
# The cloud keeps the other end of standard input open as long as the instance lives. If the cloud ends in any way, it
# is closed. While this process waits, it also adopts orphaned processes. In a PID namespace, all others end with it.
exec 4<&0
while :; do
    cat <&4 >/dev/null &
    wait $! 2>/dev/null
    # If cat was killed, standard input may still be open.
    [ $? -gt 128 ] || break
done
[ "$2" = isolated ] || kill -KILL 0
