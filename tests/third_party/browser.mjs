// mqtt.js over wss://: `browser.mjs PORT ROOT CERTIFICATE KEY`, with its node_modules in $CHAT_NODE.
// A plain client by its certificate on free topics, in both versions; a guest of the chat without one.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { once } from "node:events";

const mqtt = createRequire(`${process.env.CHAT_NODE}/`)("mqtt");
const [port, ca, cert, key] = process.argv.slice(2);
const url = `wss://localhost:${port}/mqtt`;
const read = (path) => readFileSync(path);

for (const protocolVersion of [4, 5]) {
  const own = { ca: read(ca), cert: read(cert), key: read(key), protocolVersion, reconnectPeriod: 0 };
  const client = mqtt.connect(url, { ...own, clientId: `alice-${protocolVersion}` });
  await once(client, "connect");
  await client.subscribeAsync("hello/#", { qos: 2 });
  // A packet of its own that lies across many frames' worth of bytes.
  const long = Buffer.alloc(300_000, "x");
  client.publish("hello/world", long, { qos: 2 });
  const [topic, payload] = await once(client, "message");
  assert.strictEqual(topic, "hello/world");
  assert.ok(payload.equals(long));
  await client.endAsync();
}

// {init,<<>>} and its answer: {io,<<>>,{'Token',T}}.
const guest = mqtt.connect(url, { ca: read(ca), clientId: "emqttd_0123456789", reconnectPeriod: 0 });
const seen = [];
guest.on("message", (topic, payload) => seen.push([topic, payload]));
await once(guest, "connect");
guest.publish("events/1//api/anon//", Buffer.from("8368027704696e69746d00000000", "hex"), { qos: 2 });
while (!seen.some(([, payload]) => payload.includes("Token"))) {
  await once(guest, "message");
}
assert.ok(seen[0][1].includes("vnode_max"));
await guest.endAsync();
