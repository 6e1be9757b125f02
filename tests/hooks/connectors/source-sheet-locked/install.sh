#!/bin/sh
# Stands for what a vendor serves.
set -eu
printf 'reader 1.0\n' > /usr/local/share/reader
