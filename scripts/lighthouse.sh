#!/usr/bin/env bash
# Has Lighthouse look at the home page, as a desktop and as a phone: it must give 100 for accessibility. `make site` comes
# first. npx fetches Lighthouse; it is no dependency of Porch, since e2e/site.e2e.ts asks axe, whose rules it counts.
set -euo pipefail
cd "$(dirname "$0")/.."
site=${1:-build/site}
[ -e "$site/index.html" ] || { echo "lighthouse: no $site/index.html: make site" >&2; exit 1; }
work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
python3 -m http.server "$port" --bind 127.0.0.1 --directory "$site" >/dev/null 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
CHROME_PATH=$(command -v chromium)
export CHROME_PATH
for screen in desktop phone; do
  preset=()
  [ "$screen" = phone ] || preset=(--preset=desktop)
  npx --yes lighthouse@12.8.2 "http://127.0.0.1:$port/" "${preset[@]}" --quiet --only-categories=accessibility \
    --chrome-flags="--headless=new --no-sandbox" --output=json --output-path="$work/$screen.json"
  node -e '
    const [, screen, file] = process.argv;
    const { categories, audits } = JSON.parse(require("fs").readFileSync(file, "utf8"));
    const score = Math.round(100 * categories.accessibility.score);
    const low = categories.accessibility.auditRefs.filter(({ id, weight }) => weight > 0 && audits[id].score === 0);
    console.log(`${screen}: accessibility ${score}`, ...low.map(({ id }) => id));
    if (score < 100) process.exit(1);' "$screen" "$work/$screen.json"
done
