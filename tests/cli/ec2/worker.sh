#!/bin/sh
if [ "$1" = files ]; then readlink -f "$0"; exit; fi
ml=$SAGEMAKER_BASE_DIR
seed=$(sed 's/.*"seed":"\([0-9]*\)".*/\1/' "$ml/input/config/hyperparameters.json")
ls "$ml/input/data/training"
case $seed in
    2) mkdir -p "$ml/output"; echo "the training loss became NaN" >"$ml/output/failure"; exit 1 ;;
    3) while :; do sleep 1; done ;;
esac
echo model >"$ml/model/model.pth"
