/**
 * Debian's own programs through the private network: nginx, curl, wget, wrk, ssh, iperf3, dig and ping, in containers of
 * one tree and outside of them. Making that tree takes minutes and a mirror of Debian's, so somebody has to have done it:
 *
 *     mmdebstrap --variant=apt --include=nginx-light,curl,wget,dnsutils,iputils-ping,openssh-client,openssh-server,\
 *     iperf3,wrk,iproute2 bookworm DIR && TSPOD_DEBIAN_TREE=DIR bun test tests/e2e/real-programs.test.ts
 */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../net/network-fixture.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { makeWorld } from "../support/world.ts";

const tree = process.env.TSPOD_DEBIAN_TREE ?? "";
const debianTree = (): string | undefined =>
  existsSync(join(tree, "usr/sbin/nginx")) ? undefined : "no TSPOD_DEBIAN_TREE with its programs";

const test = testWith(program("curl"), program("ssh", "openssh-client"), debianTree);

const serve = [
  "mkdir -p /run/sshd ~root/.ssh",
  "sed -i 's/^user .*/user root;/' /etc/nginx/nginx.conf",
  "head -c 3000000 /dev/urandom > /var/www/html/big",
  "nginx; iperf3 -s -D",
  "ssh-keygen -A >/dev/null; ssh-keygen -q -t ed25519 -N '' -f ~root/key",
  "cp ~root/key.pub ~root/.ssh/authorized_keys; chmod 700 ~root ~root/.ssh",
  "/usr/sbin/sshd -o StrictModes=no; sha256sum < /var/www/html/big; cat ~root/key; echo up; exec sleep 1000",
].join("\n");

const visit = (gateway: string, http: number, iperf: number): string =>
  [
    `curl -s http://${gateway}:${http}/big | sha256sum`,
    `wget -qO- http://${gateway}:${http}/big | sha256sum`,
    "dig +short host.containers.internal",
    `ping -c 3 -q ${gateway}`,
    `wrk -t2 -c32 -d1 http://${gateway}:${http}/`,
    `iperf3 -c ${gateway} -p ${iperf} -t 1`,
  ].join("\n");

test("real programs talk to each other over published ports", async () => {
  await using world = await makeWorld();
  const [http, ssh, iperf] = [freePort(), freePort(), freePort()];
  const ports = [`${http}:80`, `${ssh}:22`, `${iperf}:5201`].flatMap((port) => ["-p", port]);
  await world.ok(
    "run",
    "-d",
    "--name",
    "srv",
    ...ports,
    "--rootfs",
    `${tree}:O`,
    "bash",
    "-c",
    serve,
  );
  const logs = await until("it serves", async () => {
    const text = await world.ok("logs", "srv");
    return text.endsWith("\nup") ? text : undefined;
  });
  const sum = logs.split("\n")[0] ?? "";
  const outside = Bun.spawnSync(["sh", "-c", `curl -s http://127.0.0.1:${http}/big | sha256sum`]);
  expect(outside.stdout.toString().trim()).toBe(sum);
  const key = join(world.home, "key");
  await Bun.write(key, `${logs.split("\n").slice(1, -1).join("\n")}\n`);
  Bun.spawnSync(["chmod", "600", key]);
  const careless = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
  const remote = ["-i", key, "-p", String(ssh), ...careless, "root@127.0.0.1", "hostname; wc -c"];
  const login = Bun.spawnSync(["ssh", ...remote], { stdin: Buffer.alloc(2_000_000) });
  expect(login.stdout.toString()).toEndWith("2000000\n");
  // The host itself, as a container reaches it: by one of its own addresses.
  const inside = await world.ok(
    ...["run", "--rm", "--rootfs", `${tree}:O`, "bash", "-ec"],
    visit("host.containers.internal", http, iperf),
  );
  expect(inside.split("\n").slice(0, 2)).toEqual([sum, sum]);
  expect(inside).toContain(" 0% packet loss");
  expect(inside).toMatch(/Requests\/sec: +[1-9]/);
  expect(inside).toMatch(/receiver/);
  await world.ok("rm", "-f", "-t", "0", "srv");
}, 120_000);
