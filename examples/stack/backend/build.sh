#!/bin/sh
# build.sh <release> <directory>: makes the directory that release of the backend, ready for `node dist/server.js`.
#
# A release is backend/ with releases/<release>/ laid over it; one named <n>-<variant> is laid over release n.
# The dependencies are installed once for each lock file, in the repository's .cache. Needs node and npm on the PATH.
set -eu
umask 022

if [ $# -ne 2 ]; then
  echo "usage: build.sh <release> <directory>" >&2
  exit 2
fi
release=$1
target=$2
backend=$(cd "$(dirname "$0")" && pwd)
releases=$backend/../releases
cache=$backend/../../../.cache/backend
dependencies=$cache/node_modules-$(cat "$backend/package-lock.json" "$backend/.npmrc" | sha256sum | cut -c1-16)

if [ ! -d "$releases/$release" ]; then
  echo "[release-unknown] There is no release '$release'. Nothing was built. Next: choose one of $(ls -C "$releases" | tr -s '[:space:]' ' ')" >&2
  exit 1
fi

# One build at a time, or two would install into the same place.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [ ! -d "$dependencies" ]; then
  rm -rf "$cache/install"
  mkdir "$cache/install"
  cp "$backend/package.json" "$backend/package-lock.json" "$backend/.npmrc" "$cache/install"
  (cd "$cache/install" && npm ci --omit=dev --no-progress --loglevel=error) >&2
  mv "$cache/install/node_modules" "$dependencies"
  rm -rf "$cache/install"
fi

stage=$target.partial
rm -rf "$stage"
mkdir -p "$stage"
for part in src drizzle drizzle.config.ts esbuild.mjs package.json package-lock.json tsconfig.json; do
  cp -R "$backend/$part" "$stage"
done
cp -R "$releases/${release%%-*}/." "$stage"
cp -R "$releases/$release/." "$stage"
# Copied, not linked: what is done to a build's files must not reach the cache.
cp -R "$dependencies" "$stage/node_modules"
(cd "$stage" && node esbuild.mjs)

rm -rf "$target"
mv "$stage" "$target"
