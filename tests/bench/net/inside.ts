/**
 * `inside.js SOCKET`: does inside what the benchmark asks for, a line of JSON at a time over a Unix socket, which leads
 * out of any network namespace. Also serves what clients from outside measure: HTTP; iperf3 it starts.
 */
import { connect } from "node:net";
import { dirname } from "node:path";
import { connectionsPerSecond, hold, tcpRoundTrip, udpRoundTrip } from "./round-trips.ts";
import { inner } from "./ports.ts";

export type Question =
  | { op: "shell"; script: string }
  | { op: "tcp" | "udp" | "connections"; address: string; port: number }
  | { op: "hold"; address: string; port: number; count: number };

async function answer(question: Question): Promise<string | number> {
  switch (question.op) {
    case "shell":
      return await shell(question.script);
    case "tcp":
      return await tcpRoundTrip(question.address, question.port);
    case "udp":
      return await udpRoundTrip(question.address, question.port);
    case "connections":
      return await connectionsPerSecond(question.address, question.port);
    case "hold":
      return await hold(question.address, question.port, question.count);
  }
}

async function shell(script: string): Promise<string> {
  const child = Bun.spawn(["bash", "-c", script], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, BASE: dirname(socketPath) },
  });
  return await child.stdout.text();
}

const [socketPath = ""] = process.argv.slice(2);
Bun.serve({ port: inner.http, hostname: "0.0.0.0", fetch: () => new Response("hello\n") });
Bun.spawn(["iperf3", "-s", "-p", String(inner.iperf)], { stdio: ["ignore", "ignore", "ignore"] });

const control = connect(socketPath);
let rest = "";
control.on("data", (data) => {
  const lines = (rest + data.toString()).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    void answer(JSON.parse(line) as Question).then(
      (value) => control.write(`${JSON.stringify({ value })}\n`),
      (error: unknown) => control.write(`${JSON.stringify({ error: String(error) })}\n`),
    );
  }
});
control.on("close", () => process.exit());
