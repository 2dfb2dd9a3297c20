/** What is measured of every network, and what the goals are: ours beside pasta's, or beside another's. */
import { median } from "../measure.ts";
import { outside, outside6 } from "../../net/bare-container.ts";
import type { Question } from "./inside.ts";
import type { Peer } from "./peers.ts";
import { outer, type Published } from "./ports.ts";

export interface Bed {
  peer: Peer;
  ask(question: Question): Promise<string | number>;
  /** The same shell where the host is. */
  outside(script: string): Promise<string>;
  seconds: number;
}

export interface Measure {
  name: string;
  unit: "Gbit/s" | "a second" | "us";
  /** NaN: it did not come to pass. */
  of(bed: Bed): Promise<number>;
  /** Ours divided by that of `beside` (pasta): at least so much; of what is the better the less, at most. */
  goal?: number;
  /** The same beside podman's way of publishing. */
  goalOfRootlessport?: number;
  /** The program that is measured with. */
  needs?: string;
  /** It is about what is published. */
  isPublished?: boolean;
  /** The same in the other direction has it, too: either is to be as quick as the other's better one. */
  ways?: string;
}

const iperf = (words: string, seconds: number): string => `iperf3 -J -t ${seconds} ${words}`;

function gigabits(text: string): number {
  const report = JSON.parse(text) as { end?: { sum_received?: { bits_per_second: number } } };
  return (report.end?.sum_received?.bits_per_second ?? Number.NaN) / 1e9;
}

function stream(name: string, words: string): Measure {
  return {
    ...{ name, unit: "Gbit/s", needs: "iperf3", ways: waysOf(name) },
    of: async ({ ask, seconds }) =>
      gigabits(
        String(await ask({ op: "shell", script: iperf(`${words} -p ${outer.iperf}`, seconds) })),
      ),
  };
}

const waysOf = (name: string): string => name.replace(/(^|, )(?:in|out)\b/, "$1both ways");

function publishedStream(name: string, words: string): Measure {
  return {
    ...{ name, unit: "Gbit/s", needs: "iperf3", isPublished: true },
    ...{ ways: waysOf(name), goalOfRootlessport: 1.2 },
    of: async ({ peer, outside, seconds }) =>
      gigabits(await outside(iperf(`${words} -p ${ports(peer).iperf}`, seconds))),
  };
}

function ports(peer: Peer): Published {
  if (peer.published === undefined) throw new Error(`${peer.name} publishes nothing`);
  return peer.published;
}

const requests = (text: string): number =>
  Number(/Requests\/sec:\s*([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
const wrk = (url: string, seconds: number): string =>
  `wrk -t1 -c32 -d${seconds}s -H 'Connection: close' http://${url}/`;

const small = { address: outside, port: outer.echo };

export const measures: Measure[] = [
  stream("out", `-c ${outside}`),
  stream("in", `-R -c ${outside}`),
  stream("out, four streams", `-P4 -c ${outside}`),
  stream("in, four streams", `-R -P4 -c ${outside}`),
  stream("out, IPv6", `-c ${outside6}`),
  stream("in, IPv6", `-R -c ${outside6}`),
  {
    ...{ name: "ping, round trip", unit: "us", needs: "ping", goal: 1 },
    async of({ ask }) {
      // a copy has no capability of its own: one that is not given here would keep it from starting
      const range = "echo 0 0 >/proc/sys/net/ipv4/ping_group_range";
      const script = `${range}; cp "$(command -v ping)" $BASE/ping; $BASE/ping -c 300 -i 0.002 ${outside}`;
      const text = String(await ask({ op: "shell", script }));
      return median([...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000));
    },
  },
  {
    ...{ name: "one byte over TCP, round trip", unit: "us", goal: 1 },
    of: async ({ ask }) => Number(await ask({ op: "tcp", ...small })),
  },
  {
    ...{ name: "one byte over UDP, round trip", unit: "us", goal: 1 },
    of: async ({ ask }) => Number(await ask({ op: "udp", ...small })),
  },
  {
    ...{ name: "connections, one by one", unit: "a second", goal: 1 },
    of: async ({ ask }) => Number(await ask({ op: "connections", ...small })),
  },
  {
    ...{ name: "HTTP requests, 32 at a time", unit: "a second", needs: "wrk", goal: 1 },
    async of({ ask, seconds }) {
      const script = wrk(`${outside}:${outer.http}`, seconds);
      return requests(String(await ask({ op: "shell", script })));
    },
  },
  {
    ...{ name: "64 byte datagrams out", unit: "a second", needs: "iperf3", goal: 1 },
    of: async ({ ask, seconds }) => await datagrams(ask, seconds, ""),
  },
  {
    ...{ name: "64 byte datagrams in", unit: "a second", needs: "iperf3", goal: 1 },
    of: async ({ ask, seconds }) => await datagrams(ask, seconds, "-R"),
  },
  {
    ...{ name: "DNS queries", unit: "a second", needs: "dnsperf", goal: 1 },
    async of({ peer, ask, seconds }) {
      const list = "for i in $(seq 100); do echo host$i.example.org A; done >$BASE/names";
      const script = `${list}; dnsperf -d $BASE/names -s ${peer.names} -l ${seconds} -c 10 -q 100`;
      const text = String(await ask({ op: "shell", script }));
      return Number(/Queries per second:\s*([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
    },
  },
  publishedStream("published, in", "-c 127.0.0.1"),
  publishedStream("published, out", "-R -c 127.0.0.1"),
  publishedStream("published, in, four streams", "-P4 -c 127.0.0.1"),
  publishedStream("published, out, four streams", "-P4 -R -c 127.0.0.1"),
  publishedStream("published, in, IPv6", "-c ::1"),
  publishedStream("published, out, IPv6", "-R -c ::1"),
  publishedStream("published, in, not by loopback", `-c ${outside}`),
  publishedStream("published, out, not by loopback", `-R -c ${outside}`),
  {
    ...{
      name: "published, HTTP requests",
      unit: "a second",
      needs: "wrk",
      goal: 1,
      goalOfRootlessport: 1.2,
      isPublished: true,
    },
    of: async ({ peer, outside, seconds }) =>
      requests(await outside(wrk(`127.0.0.1:${ports(peer).http}`, seconds))),
  },
];

/** Those that have arrived. */
async function datagrams(ask: Bed["ask"], seconds: number, words: string): Promise<number> {
  const command = iperf(`-u -b 0 -l 64 ${words} -c ${outside} -p ${outer.iperf}`, seconds);
  const text = String(await ask({ op: "shell", script: command }));
  const report = JSON.parse(text) as {
    end?: { sum?: { packets: number; lost_packets: number; seconds: number } };
  };
  const sum = report.end?.sum;
  return sum === undefined ? Number.NaN : (sum.packets - sum.lost_packets) / sum.seconds;
}
