#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The library as a stranger uses it: installed, found by pkg-config, linked shared and static from C.
#   install_test.sh BUILD_DIR SOURCE SHARE_SOURCE (of the same with libctdbshare)
set -eu
build=$1 source=$2 share_source=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --component client --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name ctdbipc.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=$libdir
# The file names the prefix of the build; this one is elsewhere.
flags() { pkg-config --define-variable=prefix="$prefix" "$@" "${library:-ctdbipc}"; }
cc -std=c11 -Wall -Wextra -pedantic -Werror $(flags --cflags) "$source" $(flags --libs) -o "$prefix/shared"
"$prefix/shared"
cc $(flags --cflags) "$source" "$libdir/libctdbipc.a" $(flags --libs --static | sed 's/-lctdbipc//') -o "$prefix/static"
"$prefix/static"
library=ctdbshare
cc -std=c11 -Wall -Wextra -pedantic -Werror $(flags --cflags) "$share_source" $(flags --libs) -o "$prefix/share"
"$prefix/share"
# Nothing but the interface is visible.
foreign=$(nm -D --defined-only "$libdir/libctdbipc.so" "$libdir/libctdbshare.so" | awk '$2 != "A" && $3 !~ /^ctdb_/ {print $3}')
[ -z "$foreign" ] || { echo "exported beside ctdb_*: $foreign"; exit 1; }
