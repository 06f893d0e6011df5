#!/usr/bin/env bash
# collect.sh OUT: copies the named programs from this Debian root into OUT, with the libraries they load, the data files they read and
# the dpkg records of the packages that they came from.
set -euo pipefail
shopt -s nullglob
out=$1

programs='tcpdump dig nslookup host curl nc openssl iperf3 httping mtr mtr-packet ping traceroute ss ip tc nstat conntrack jq bash timeout'
# No openssl.cnf: Debian's says what OpenSSL does without it, and reading it takes each start of dig and curl 2 ms
data='/etc/ssl/certs/ca-certificates.crt /usr/lib/ssl/certs /usr/lib/ssl/cert.pem
  /etc/services /etc/protocols /etc/nsswitch.conf /etc/host.conf /etc/gai.conf /etc/debian_version /etc/os-release
  /usr/share/zoneinfo/UTC'
folders='/usr/share/iproute2 /etc/iproute2 /usr/lib/tc'
terminals='l/linux x/xterm x/xterm-256color d/dumb v/vt100'

# copy FILE: with each link of its chain of symbolic links
copy() {
  local file=$1 folder link
  while :; do
    folder=$(readlink -f "$(dirname "$file")"); file=$folder/$(basename "$file")
    mkdir -p "$out$folder"; cp -a --update "$file" "$out$file"
    [ -L "$file" ] || return 0
    link=$(readlink "$file")
    case $link in /*) file=$link;; *) file=$folder/$link;; esac
  done
}

mkdir -p "$out"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,tmp,var/tmp,run,proc,sys,dev,root,home/ephemera}
chmod 1777 "$out/tmp" "$out/var/tmp"
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$out/$folder"; done

binaries=()
for program in $programs; do
  copy "$(type -P "$program")"
  binaries+=("$(readlink -f "$(type -P "$program")")")
done
# glibc loads libgcc_s only when a thread is cancelled (iperf3), so no binary names it
libraries=$({ ldd "${binaries[@]}"; ldconfig -p | grep -F 'libgcc_s.so.1 '; } | grep -oE '/[^ :()]+\.so[^ :()]*' | sort -u)
for library in $libraries; do copy "$library"; done

for file in $data; do [ ! -e "$file" ] || copy "$file"; done
for folder in $folders; do
  if [ -d "$folder" ]; then mkdir -p "$out$folder"; cp -a "$folder/." "$out$folder/"; fi
done
for terminal in $terminals; do
  for root in /lib/terminfo /usr/share/terminfo; do
    if [ -e "$root/$terminal" ]; then install -D -m 644 "$root/$terminal" "$out/usr/share/terminfo/$terminal"; fi
  done
done

# Scanners of images without dpkg (trivy, grype, syft) look for one record a file here
mkdir -p "$out/var/lib/dpkg/status.d"
packages=$( (cd "$out"; find . -type f -printf '/%P\n') | { xargs dpkg -S 2>/dev/null || true; } | cut -d: -f1 | tr -d ' ' | tr , '\n' | sort -u)
for package in $packages; do dpkg -s "$package" > "$out/var/lib/dpkg/status.d/$package"; done

cat > "$out/etc/passwd" <<PASSWD
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
ephemera:x:64646:64646:ephemera:/home/ephemera:/bin/sh
PASSWD
printf 'root:x:0:\nnobody:x:65534:\nephemera:x:64646:\n' > "$out/etc/group"
chown 64646:64646 "$out/home/ephemera"

# A file that asks for cap_net_raw (mtr-packet) cannot even be executed where the pod's bounding set lacks it
getcap -r "$out" | cut -d' ' -f1 | while read -r file; do setcap -r "$file"; done

# /bin/sh is bash, never busybox: Debian's busybox sh runs its own applets (ip, nc, ping, nslookup) before the real programs in PATH
ln -s bash "$out/usr/bin/sh"
cp /bin/busybox "$out/usr/bin/busybox"
for applet in $(/bin/busybox --list); do
  [ -e "$out/usr/bin/$applet" ] || [ -e "$out/usr/sbin/$applet" ] || ln -s busybox "$out/usr/bin/$applet"
done

# Each program must find all its libraries in OUT, on any architecture
loader=$(cd "$out"; echo lib*/ld-linux*.so.* | cut -d' ' -f1)
for binary in "${binaries[@]}"; do chroot "$out" "/$loader" --list "$binary" > /dev/null; done
