#!/bin/sh
# Fetch axe-core, by which the browser tests check accessibility, with the ordinary npm client; it is never committed.
set -e
cd "$(dirname "$0")/.."
version=4.14.1
place=.venv/axe-core
if [ "$(cat $place/version 2>/dev/null)" = "$version" ]; then exit 0; fi
if ! command -v npm >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing npm for the browser tests"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "The check of accessibility needs npm: install it with your package manager, or it is skipped."
    [ -z "$CI" ] || exit 1
    exit 0
fi
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT
npm pack --silent --pack-destination "$fetched" "axe-core@$version" >/dev/null
mkdir -p $place
tar -xzf "$fetched/axe-core-$version.tgz" -C "$fetched" package/axe.min.js
mv "$fetched/package/axe.min.js" $place/
echo $version >$place/version
