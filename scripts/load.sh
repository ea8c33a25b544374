#!/usr/bin/env bash
# Loads a public relay on loopback with many idle hosts and waiting guests, and
# measures what they cost it and how long a knock takes. Fails when a
# connection is dropped, or when 1 knock in 100 takes longer than 250 ms. Then
# compares a relay of one machine with relays of two and three, joined by the
# NATS servers within them: a knock across machines may take twice as long (p99).
# At last, without a goal, the same with a NATS server that stands apart.
# Arguments are those of "porch-load relay": scripts/load.sh -hosts 1000 -guests 200
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build/load
# What both tables begin with: the result r, and how a spread is written.
read_result='
  const r = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const ms = (s) => `p50 ${s.p50} ms, p95 ${s.p95} ms, p99 ${s.p99} ms, most ${s.most} ms`;
'
# Two descriptors a connection, one at each end, in two processes.
ulimit -n "$(ulimit -Hn)"
for run in 1 2; do
  printf '\n== run %s of 2\n' "$run"
  build/bin/porch-load relay "$@" >"build/load/relay-$run.json"
  node -e "$read_result"'
    const kb = (n) => (n / 1024).toFixed(1) + " KB";
    const mb = (h) => `${Math.round(h.resident / 2 ** 20)} MB resident, ${Math.round(h.live / 2 ** 20)} MB live`;
    console.log(`${r.hosts} hosts, ${r.guests} guests; load average ${r.loadBefore} before, ${r.loadAfter} after`);
    console.log(`relay, empty: ${mb(r.before)}; with hosts: ${mb(r.withHosts)}; with guests: ${mb(r.withGuests)}`);
    console.log(`a host: ${kb(r.hostBytes)} resident, ${kb(r.hostLiveBytes)} live; a guest: ${kb(r.guestBytes)}, ${kb(r.guestLiveBytes)}; kernel, each end: ${kb(r.kernelBytes)}`);
    console.log(`coming in: ${r.hostsPerSecond.toFixed(0)} hosts/s, ${r.hostCPUms.toFixed(2)} ms of CPU each; ${r.guestsPerSecond.toFixed(0)} guests/s, ${r.guestCPUms.toFixed(2)} ms each`);
    console.log(`idle: ${(r.idleCPUShare * 100).toFixed(1)} % of a core`);
    console.log(`${r.knocks} knocks: first frame ${ms(r.firstFrame)}`);
    console.log(`  knock to bell (goal: p99 250 ms): ${ms(r.bell)}`);
    console.log(`  opening the link: ${ms(r.opening)}`);
    console.log(`dropped: ${r.dropped}`);
  ' "build/load/relay-$run.json"
done

met=yes
nodes() {
  local of=$1 into=build/load/nodes-$2.json
  shift 2
  rm -f "$into"
  build/bin/porch-load nodes -nodes "$of" "$@" >"$into" || met=no
  [ -s "$into" ] || exit 1 # it said why
  node -e "$read_result"'
    console.log(`${r.knocks} knocks each, load average ${r.loadBefore} before, ${r.loadAfter} after`);
    console.log(`knock to bell, one machine:           ${ms(r.one)}`);
    console.log(`one of ${r.nodes} machines, host at the same:   ${ms(r.same)}`);
    console.log(`one of ${r.nodes} machines, host at another:    ${ms(r.across)}`);
    if (r.bus) console.log(`the NATS server alone:                ${ms(r.bus)}`);
    console.log(`p99 across machines is ${r.ratio.toFixed(2)} times that of one`);
  ' "$into"
}
for of in 2 3; do
  printf '\n== %s machines (goal: 2 times)\n' "$of"
  nodes "$of" "$of"
done
goal=$met
printf '\n== 2 machines, with a NATS server that stands apart\n'
nats=$(GOFLAGS='' CGO_ENABLED=0 go tool -n nats-server)
nodes 2 apart -nats-server "$nats"
[ "$goal" = yes ]
