import { rateLimit, type Store } from "express-rate-limit";
import { type Cache, keys } from "./redis";

const WINDOW_MS = 60_000;

/** Counts requests per address in Redis; without Redis it lets requests pass, since a limit is no reason for an outage. */
export function limitRequests(cache: Cache, requestsPerMinute: number) {
  const store: Store = {
    async increment(ip) {
      const key = keys.rateLimit(ip);
      const [totalHits, , ttl] = (await cache.multi().incr(key).pExpire(key, WINDOW_MS, "NX").pTTL(key).exec()) as unknown as number[];
      return { totalHits: totalHits ?? 1, resetTime: new Date(Date.now() + (ttl ?? WINDOW_MS)) };
    },
    async decrement(ip) {
      await cache.decr(keys.rateLimit(ip));
    },
    async resetKey(ip) {
      await cache.unlink(keys.rateLimit(ip));
    },
  };
  return rateLimit({ windowMs: WINDOW_MS, limit: requestsPerMinute, standardHeaders: true, legacyHeaders: false, passOnStoreError: true, store });
}
