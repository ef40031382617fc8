#!/bin/sh
# Fetches bubblewrap, which shuts in compute jobs, into .tools/bin. Nothing is installed elsewhere.
# Ends with 0 if there is one (the machine's own counts), else says what is missing.
set -u
folder=$(cd "$(dirname "$0")/.." && pwd)/.tools

missing() {
  echo "bubblewrap: $1" >&2
  echo "bubblewrap: compute jobs cannot be started before it is there; all else works" >&2
  exit 1
}

if command -v bwrap >/dev/null; then
  echo "bubblewrap: $(command -v bwrap)"
  exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
  missing "this machine has none and is no Debian: install the package bubblewrap by its own means"

mkdir -p "$folder/bin" && work=$(mktemp -d "$folder/fetch.XXXXXX") || missing "cannot write to $folder"
trap 'rm -rf "$work"' EXIT
# The sandbox of apt has a user who may not write here; it would only warn of that.
fetch() { (cd "$work" && apt-get download -q -o APT::Sandbox::User=root bubblewrap); }

echo "bubblewrap: fetching the Debian package into .tools (it is not installed)"
if ! fetch >"$work/log" 2>&1; then
  echo "bubblewrap: the lists of packages are missing or old: apt-get update"
  if ! apt-get update -q >"$work/log" 2>&1 || ! fetch >"$work/log" 2>&1; then
    cat "$work/log" >&2
    missing "could not be fetched (as above): install the package bubblewrap, then make again"
  fi
fi
dpkg -x "$work"/bubblewrap_*.deb "$work/unpacked" && "$work/unpacked/usr/bin/bwrap" --version >/dev/null ||
  missing "the fetched package does not run here: install the package bubblewrap"
mv "$work/unpacked/usr/bin/bwrap" "$folder/bin/bwrap"
