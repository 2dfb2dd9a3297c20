/**
 * What every script in a machine begins with. `try NAME COMMAND...` tells what a command prints and its status, `note
 * NAME TEXT` a text; `pull` brings $image into the store, `bundle` makes ./b of the runtime.
 */

/** Few forks: a process is expensive in an emulator. */
export const prelude = `
mkdir /tmp/bin
PATH=/tmp/bin:/usr/bin:/bin:/usr/sbin:/sbin
ln -s $IN/tspod /tmp/bin/tspod
ln -s $IN/tspod /tmp/bin/tspod-oci
ln -s $IN/busybox /tmp/bin/busybox
cd /tmp
note() { printf '%s\\037%s\\037%s\\036' "$1" 0 "$2"; }
try() { name=$1; shift; output=$("$@" 2>&1); printf '%s\\037%s\\037%s\\036' "$name" $? "$output"; }
# read from a file without a process
content() { IFS= read -r line <"$1" && printf %s "$line"; }
image=127.0.0.1:5000/tiny
pull() {
  mkdir -p ~/.config/containers
  printf '[[registry]]\\nlocation="127.0.0.1:5000"\\ninsecure=true\\n' >~/.config/containers/registries.conf
  busybox httpd -p 127.0.0.1:5000 -h $IN/registry
  tspod pull --quiet $image >/dev/null || exit
}
# bundle RESOURCES SCRIPT
bundle() {
  [ -d b ] || cp -r $IN/bundle b
  sed "s|\\"RESOURCES\\"|$1|; s|SCRIPT|$2|; s|\\"UID\\"|\${uid:-$(id -u)}|g" b/template.json >b/config.json
}
# await COMMAND...: what is waited for; the machine has a limit of time
await() { until "$@"; do busybox usleep 100000; done; }
`;
