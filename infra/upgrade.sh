#!/usr/bin/env bash
# Replaces the containers of a running cluster of infra/compose.yaml by those of the image there is now, one service at a time: the control plane, then
# what runs on nodes. The next one goes only when this one is well by its own health check. Pods stay: they live in nodeN-runtime, which is left as
# it is unless --runtimes is given; then each node is drained first, and taken back. The balancer, by which clients of this machine come, is replaced with
# --balancer alone, and without a moment in which nobody listens: the new one listens beside the old, which ends when the API servers, that are replaced
# next, have told all its clients to come anew.
#
#   docker compose -f infra/compose.yaml build && infra/upgrade.sh        # with names of services, of all these it replaces those alone
#   COMPOSE="docker-compose -f infra/compose.yaml -p other" infra/upgrade.sh --runtimes
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
read -r -a compose <<< "${COMPOSE:-docker compose -f $root/infra/compose.yaml}"
docker="${DOCKER:-docker}"
within="${WITHIN:-180}"
runtimes= balancer= only=
for word in "$@"; do
  case "$word" in
    --runtimes) runtimes=yes ;;
    --balancer) balancer=yes ;;
    -*) echo "usage: $0 [--runtimes] [--balancer] [SERVICE...]" >&2; exit 2 ;;
    *) only="$only $word" ;;
  esac
done

some="$("${compose[@]}" ps -q balancer)"
[ -n "$some" ] || { echo "no cluster runs: there is no balancer" >&2; exit 1; }
project="$("$docker" inspect -f '{{index .Config.Labels "com.docker.compose.project"}}' "$some")"

# Of a service that the cluster's profile leaves out there is none; to name it to `up` would start it.
containers() { "$docker" ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"; }

# What the engine asks now and then is asked until it is well.
well() {
  local id="$1" test
  test="$("$docker" inspect -f '{{with .Config.Healthcheck}}{{range slice .Test 1}}{{printf "%q " .}}{{end}}{{end}}' "$id")"
  [ -n "$test" ] || return 0
  eval "\"$docker\" exec $id $test" >/dev/null 2>&1
}

replace() {
  local service="$1" id deadline=$((SECONDS + within))
  [ -z "$only" ] || [[ " $only " == *" $service "* ]] || return 0
  [ -n "$(containers "$service")" ] || return 0
  echo "$service"
  "${compose[@]}" up -d --no-deps --no-build "$service" >/dev/null 2>&1 || { echo "$service cannot be replaced" >&2; exit 1; }
  for id in $(containers "$service"); do
    until well "$id"; do
      [ "$SECONDS" -lt "$deadline" ] || { echo "$service is not well after $within s: stopped here" >&2; exit 1; }
      sleep 0.3
    done
  done
}

replaced=
if [ -n "$balancer" ] && { [ -z "$only" ] || [[ " $only " == *" balancer "* ]]; }; then
  echo balancer
  replaced="$(containers balancer)"
  "${compose[@]}" up -d --no-deps --no-build --no-recreate --scale balancer=2 balancer >/dev/null 2>&1 || { echo "balancer cannot be replaced" >&2; exit 1; }
  deadline=$((SECONDS + within))
  for id in $(containers balancer); do
    [ "$id" != "$replaced" ] || continue
    # By their common port it cannot be asked which of both is well.
    until "$docker" logs "$id" 2>&1 | grep -q '"msg":"ready"'; do
      [ "$SECONDS" -lt "$deadline" ] || { "$docker" rm -f "$id" >/dev/null; echo "balancer is not well after $within s: stopped here, with the old one" >&2; exit 1; }
      sleep 0.3
    done
  done
  # It ends by itself, and is not to come back.
  "$docker" update --restart no "$replaced" >/dev/null
  "$docker" kill --signal USR2 "$replaced" >/dev/null
fi

for service in store store1 store2 store3 apiserver apiserver1 apiserver2 scheduler scheduler-standby controller-manager controller-manager-standby \
  cloud-controller-manager cloud-controller-manager-standby cloud csi-disk coredns1 coredns2 ingress metrics-server chaos; do
  replace "$service"
done
if [ -n "$replaced" ]; then
  # Where no API server was replaced, clients may stay with the old one for ever: after half a minute they are cut off.
  for _ in $(seq 30); do
    [ -n "$("$docker" ps -q --filter "id=$replaced")" ] || break
    sleep 1
  done
  "$docker" rm -f "$replaced" >/dev/null
fi
for node in node1 node2 node3 node4 node5; do
  [ -n "$(containers "$node")" ] || continue
  if [ -n "$runtimes" ]; then
    kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --force --timeout="${within}s"
    replace "$node-runtime"
  fi
  replace "$node-kubelet"
  replace "$node-csi-disk"
  replace "$node-kube-proxy"
  [ -z "$runtimes" ] || kubectl uncordon "$node"
done
if [ -n "$runtimes" ] && [ -n "$(containers real1)" ]; then
  kubectl drain real1 --ignore-daemonsets --delete-emptydir-data --force --timeout="${within}s"
  replace real1
  replace real1-kube-proxy
  kubectl uncordon real1
fi
