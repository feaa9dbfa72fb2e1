#!/bin/bash
# Deploys a build.
set -euo pipefail
source ./common.sh

TARGET=${1:-staging}
export REGION="eu-1"

# Says what goes on.
log() {
  echo "deploy: $*"
}

function upload {
  local archive="$1"
  log "upload $archive"
  copy "$archive" "$TARGET"
}

upload build.tar
