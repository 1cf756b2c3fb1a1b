#!/bin/sh
# Installs what building, running and testing Mammoscope needs on a bare Debian 12 (or newer) that has Rust:
# a C linker, the X11 and Wayland libraries of the window, a software Vulkan driver (used where there is no graphics card)
# and a virtual screen for the tests.
set -eu

packages="gcc libc6-dev
  libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0 libwayland-client0 libwayland-egl1 libdbus-1-3
  libvulkan1 mesa-vulkan-drivers libegl1 libgl1-mesa-dri
  xvfb xauth"

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo"
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
