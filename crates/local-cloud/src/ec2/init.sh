#!/bin/sh
# The first process of an instance: init.sh FOLDER isolated|shared [USER_DATA]
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
