#!/bin/sh
# Print the state of a job in a word of Snakemake's: running, success or failed. The argument is the job's id.
if state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1); then
  case $state in
    COMPLETED) echo success ;;
    PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | RESIZING | SIGNALING | STAGE_OUT | STOPPED) echo running ;;
    *) echo failed ;; # cancelled, killed, or so old that Slurm has forgotten it
  esac
else
  case $state in
    *"Invalid job id"*) echo failed ;;
    *) echo running ;; # Slurm does not answer: ask again later
  esac
fi
