#!/bin/sh
# Stands for the program that is the AWS CLI of the AMIs.
echo "tools: $*"
