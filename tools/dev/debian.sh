#!/usr/bin/env bash
# Installs the servers that the tests and demos of the targets start, where they are missing.
#
# Only the programs are wanted: the tests start servers of their own, on free ports, in temporary folders. So no
# service is started or enabled on this machine while the packages are installed.
set -euo pipefail

declare -A package=(
    [postgresql]='/usr/lib/postgresql/*/bin/postgres'
    [pgbouncer]='/usr/sbin/pgbouncer'
    [mariadb-server]='/usr/sbin/mariadbd'
    [slapd]='/usr/sbin/slapd'
    [ldap-utils]='/usr/bin/ldapmodify'
    [redis-server]='/usr/bin/redis-server'
    [rabbitmq-server]='/usr/lib/rabbitmq/bin/rabbitmq-server /usr/sbin/rabbitmq-server'
    [openssl]='/usr/bin/openssl'
)
# Those that only recipes are run against.
[ "${1:-}" != recipes ] || package+=([etcd-server]=/usr/bin/etcd [influxdb]=/usr/bin/influxd)
# An Active Directory domain controller, for `make active-directory`.
[ "${1:-}" != samba ] || package+=(
    [samba-ad-dc]=/usr/sbin/samba [samba-ad-provision]=/usr/share/samba/setup [winbind]=/usr/sbin/winbindd
    [samba-dsdb-modules]='/usr/lib/*/samba/ldb' [samba-vfs-modules]='/usr/lib/*/samba/vfs' [krb5-user]=/usr/bin/kinit
)

missing=()
for name in "${!package[@]}"; do
    # shellcheck disable=SC2086 # the patterns are meant to expand
    compgen -G "${package[$name]%% *}" >/dev/null || compgen -G "${package[$name]##* }" >/dev/null || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "debian: this machine has no apt-get; install with its own package manager: ${missing[*]}" >&2
    exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "debian: installing ${missing[*]} (1 to 2 minutes; no service is started)"

# Debian asks this file before it starts a service; 101 is "no". A file that is there stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

log=$(mktemp -t debian-packages.XXXXXX.log)
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 </dev/null; }
if ! { apt install --no-install-recommends -y "${missing[@]}" ||
    { apt update && apt install --no-install-recommends -y "${missing[@]}"; }; }; then
    tail -20 "$log" >&2
    echo "debian: apt-get failed; the whole log is in $log" >&2
    exit 1
fi
rm -f "$log"
