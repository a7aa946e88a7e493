import { createClient } from "@redis/client";
import { log, reason } from "./log";

export type Cache = ReturnType<typeof openCache>;

/** Keys are `<service>:<entity>:<id>`. Everything here can be regenerated, and everything has a time to live. */
export const keys = {
  idempotency: (requestKey: string) => `payment:idem:${requestKey}`,
  refresh: (userId: string) => `auth:refresh:${userId}`,
  revoked: (tokenHash: string) => `auth:revoked:${tokenHash}`,
  rateLimit: (ip: string) => `ratelimit:ip:${ip}`,
  stats: (name: string) => `cache:stats:${name}`,
};

/** A fixed, short pause: a growing one would keep the application down after the server is back. */
const RECONNECT_MS = 200;

/** A client that reconnects by itself and, while it cannot, fails each command at once instead of queueing it. */
export function openCache(url: string) {
  const client = createClient({
    url,
    name: "nickapp-backend",
    disableOfflineQueue: true,
    socket: { connectTimeout: 1000, reconnectStrategy: () => RECONNECT_MS },
  });
  let last = "";
  client.on("error", (error) => {
    // One line for an outage, not one for each attempt.
    if (reason(error) !== last) log("redis-connection-lost", { reason: (last = reason(error)) });
  });
  client.on("ready", () => (last = ""));
  return client;
}
