# SPDX-License-Identifier: GPL-3.0-or-later
# In a guest: steps that wait for what they expect. Whoever sources it says what to show when one fails (show).

PATIENCE=${PATIENCE:-120}

fail() { show; echo "FAILED: $*"; exit 1; }
# wait_for TEXT COMMAND...: until it succeeds.
wait_for() {
  local what=$1 end=$((SECONDS + PATIENCE)); shift
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "$what: not within $PATIENCE s"
    sleep 0.1  # between two looks
  done
  echo "ok $what"
}
