#!/usr/bin/env bash
# Puts a PgBouncer that keeps prepared statements (1.21 or newer) at $1, for tests/failures/test_pgbouncer.py. Debian's own
# package where that is new enough; else Debian 13's source, built here. Needs Debian and the right to install.
set -euo pipefail
target=$1
new_enough() { [[ $("$1" --version 2>/dev/null | head -1) =~ ([0-9]+)\.([0-9]+) ]] &&
    (( BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 21 )); }
if [[ -x $target ]] && new_enough "$target"; then exit 0; fi
command -v apt-get > /dev/null || { echo "This needs Debian's apt-get; elsewhere name a PgBouncer with PGBOUNCER=path."; exit 1; }
apt-get update --quiet
candidate=$(apt-cache policy pgbouncer | sed -n 's/.*Candidate: //p')
if dpkg --compare-versions "$candidate" ge 1.21; then
    apt-get install --yes --no-install-recommends pgbouncer
    ln -sf "$(command -v pgbouncer || echo /usr/sbin/pgbouncer)" "$target"
    exit 0
fi
apt-get install --yes --no-install-recommends build-essential pkg-config libevent-dev libssl-dev
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/lists/partial"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] http://deb.debian.org/debian trixie main" > "$scratch/sources.list"
only=(-o "Dir::Etc::sourcelist=$scratch/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$scratch/lists")
apt-get "${only[@]}" update
cd "$scratch"
apt-get "${only[@]}" source --download-only pgbouncer
tar --strip-components=1 -xf pgbouncer_*.orig.tar.gz
./configure --quiet
make --quiet -j2 pgbouncer
install -m 755 pgbouncer "$OLDPWD/$target"
