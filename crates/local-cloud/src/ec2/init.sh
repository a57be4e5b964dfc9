#!/bin/sh
# The first process of an instance: init.sh FOLDER isolated|shared [USER_DATA]
dir=$1
if [ "$2" = isolated ]; then
    # In namespaces of its own the instance has its own /var/log. It finds the stand-ins under the full names of the
    # machine's programs, too. Of the cloud's folder, which has the keys, it sees only its own part.
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
# The cloud keeps the other end of standard input open as long as the instance is to live; it closes however the cloud
# ends. While it waits, this process also adopts those that lost their parents. In a namespace, all end with it.
exec 4<&0
while :; do
    cat <&4 >/dev/null &
    wait $! 2>/dev/null
    # A cat that was killed does not prove that standard input is closed.
    [ $? -gt 128 ] || break
done
[ "$2" = isolated ] || kill -KILL 0
