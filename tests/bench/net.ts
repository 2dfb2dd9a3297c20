/**
 * The private network beside pasta and slirp4netns in one run, out of a container and into it: `npm run bench:net`
 * [-- SECONDS]. As an ordinary user, in namespaces of its own: the world outside is an address of this machine.
 *
 * Gbit/s of iperf3 (one stream, four); round trips of one byte over TCP and UDP, and whole connections, one after the
 * other; processor time of the network's process for all of it. A machine that does other things as well makes all but
 * comparisons within one run worth little.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bareContainer,
  hostScript,
  outside,
  outside6,
  unshareWords,
} from "../net/bare-container.ts";
import { measureInside, serveEcho } from "./net-echo.ts";

const echoPort = 7007;

const [role = "outer", argument = "2", directory = ""] = process.argv.slice(2);
if (role === "host") await host(directory, Number(argument));
else if (role === "inside") await measureInside(argument, echoPort);
else outer(Number(role) || 2);

/** A user namespace and a network with two addresses: what is in there, is the host. */
function outer(seconds: number): void {
  const base = mkdtempSync(join(tmpdir(), "tspod-bench-net-"));
  const bun = join(base, "bun");
  copyFileSync(process.execPath, bun);
  const setUp = `${hostScript}\nexec ${process.execPath} ${import.meta.path} host ${seconds} ${base}`;
  const { exitCode } = Bun.spawnSync([...unshareWords, "bash", "-ec", setUp], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  Bun.spawnSync(["chmod", "-R", "u+rwX", base]); // overlayfs leaves a directory that nobody may enter
  rmSync(base, { recursive: true, force: true });
  process.exitCode = exitCode;
}

async function host(base: string, seconds: number): Promise<void> {
  const servers = [Bun.spawn(["iperf3", "-s"], { stdio: ["ignore", "ignore", "ignore"] })];
  await serveEcho([outside, outside6], echoPort);
  Bun.spawnSync([
    process.execPath,
    "build",
    join(import.meta.dir, "net.ts"),
    "--target=bun",
    `--outdir=${base}`,
  ]);
  const script = join(base, "measure.sh");
  writeFileSync(script, measureScript(base, seconds));
  // By itself it takes the address of the host, which would then be nobody else's.
  const away = ["-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2"];
  const rows: [string, string[]][] = [
    ["this machine itself", ["bash", script]],
    ["tspod", bareContainer(base, ["bash", script], { shared: [base] })],
    [
      "pasta",
      ["pasta", "--config-net", ...away, "-f", "-q", "-t", "none", "-u", "none", "bash", script],
    ],
    ["slirp4netns", ["bash", "-c", slirp(script)]],
  ];
  for (const [name, command] of rows) await measure(name, command);
  for (const server of servers) server.kill();
  process.exit(); // the echo servers would hold it for ever
}

async function measure(name: string, command: string[]): Promise<void> {
  if (Bun.which(command[0] ?? "") === null) return console.log(`${name}: not installed`);
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "ignore"] });
  const text = await new Response(child.stdout).text();
  await child.exited;
  const usage = child.resourceUsage();
  const seconds = usage === undefined ? 0 : Number(usage.cpuTime.total) / 1e6;
  console.log(`${name} (processor ${seconds.toFixed(1)} s, programs included)`);
  for (const line of text.trim().split("\n")) console.log(`  ${line}`);
}

/** Runs inside; the same for everybody. */
function measureScript(base: string, seconds: number): string {
  const iperf = (title: string, flags: string): string =>
    `printf '%-28s' '${title}'; iperf3 ${flags} -t ${seconds} -f g 2>&1 | grep receiver | tail -1 | awk '{for(i=1;i<=NF;i++) if ($i=="Gbits/sec") print $(i-1) " Gbit/s"}'`;
  return [
    iperf("out, IPv4", `-c ${outside}`),
    iperf("in, IPv4", `-R -c ${outside}`),
    iperf("out, IPv4, four streams", `-P4 -c ${outside}`),
    iperf("in, IPv4, four streams", `-R -P4 -c ${outside}`),
    iperf("out, IPv6", `-c ${outside6}`),
    iperf("in, IPv6", `-R -c ${outside6}`),
    `timeout 30 ${base}/bun ${base}/net.js inside ${outside}`,
    "",
  ].join("\n");
}

function slirp(script: string): string {
  return [
    `mkfifo ${script}.go; unshare -n bash -c 'read x <${script}.go; exec bash ${script}' & child=$!`,
    `slirp4netns --configure --mtu=65520 $child tap0 >/dev/null 2>&1 & slirp=$!`,
    `for i in $(seq 200); do nsenter -t $child -n ip route 2>/dev/null | grep -q default && break; sleep 0.05; done`,
    `echo >${script}.go; wait $child; kill $slirp`,
  ].join("\n");
}
