#!/bin/sh
# install NAME TARGET DOWNLOADS [ARCH]: puts the program for ARCH (default: this machine's) in place, if its SHA-256 is right.
# A line of DOWNLOADS is: NAME ARCH SHA256 URL.
set -eu
name=$1 target=$2 downloads=$3 arch=${4:-$(dpkg --print-architecture)}
# shellcheck disable=SC2046
set -- $(awk -v n="$name" -v a="$arch" '$1 == n && $2 == a { print $3, $4 }' "$downloads")
[ $# = 2 ] || { echo "no download of $name for $arch is named" >&2; exit 1; }
tmp=$(mktemp "$target.XXXXXX")
trap 'rm -f "$tmp"' EXIT
curl -fsSL --proto '=https' --retry 10 --retry-all-errors --retry-delay 3 --connect-timeout 10 --max-time 300 -o "$tmp" "$2"
echo "$1  $tmp" | sha256sum -c - >/dev/null || { echo "$2 is not the program that was asked for: its SHA-256 differs" >&2; exit 1; }
chmod 0755 "$tmp"
mv "$tmp" "$target"
