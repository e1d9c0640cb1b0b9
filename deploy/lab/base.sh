#!/usr/bin/env bash
# A base for deploy/Dockerfile where no registry of images can be reached: Debian from its packages, the Python that runs
# here, and the certificates that this machine trusts. Named as the Dockerfile's BASE; needs root, debootstrap and docker.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-$(sed -n 's/^ARG BASE=//p' Dockerfile)}
if docker image inspect "$tag" > /dev/null 2>&1; then echo "$tag is there already."; exit 0; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
libraries=libssl3,libsqlite3-0,libffi8,zlib1g,libbz2-1.0,liblzma5,libncursesw6,libreadline8,libuuid1,libexpat1,libstdc++6
debootstrap --variant=minbase --include="ca-certificates,netbase,$libraries" bookworm "$scratch/root" > "$scratch/log" ||
    { tail -5 "$scratch/log"; exit 1; }
python=$(python3 -c 'import sys; print(sys.base_prefix)')
mkdir -p "$scratch/root/usr/local/bin"
cp -a "$python"/bin/python3* "$scratch/root/usr/local/bin/"
tar -C "$python" --exclude=site-packages --exclude='python3*/test' -c lib | tar -C "$scratch/root/usr/local" -x
# As in the image of this name.
find "$scratch/root/usr/local" -name '*.so*' -type f -exec strip --strip-unneeded {} +
rm -rf "$scratch"/root/var/{cache/apt/archives,lib/apt/lists}/*
chroot "$scratch/root" ldconfig
cp -L /etc/ssl/certs/ca-certificates.crt "$scratch/root/etc/ssl/certs/ca-certificates.crt"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$scratch/root/etc/pip.conf"
tar -C "$scratch/root" -c . | docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' - "$tag" > /dev/null
echo "$tag"
