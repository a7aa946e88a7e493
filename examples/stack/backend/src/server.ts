import { createServer } from "node:http";
import { createApp } from "./app";
import { type Config, readConfig } from "./config";
import { openDatabase, openPool } from "./db/client";
import { log, reason } from "./log";
import { openCache } from "./redis";
import { RELEASE } from "./release";

/** After this long a stop no longer waits for requests that are still running. */
const GRACE_MS = 500;

function main(config: Config): void {
  const pool = openPool(config.pgUrl);
  const cache = openCache(config.redisUrl);
  const server = createServer(createApp({ pool, database: openDatabase(pool), cache, requestsPerMinute: config.requestsPerMinute }));

  // Neither server is waited for: until they answer, /api/health says 503.
  cache.connect().catch(() => undefined);
  server.on("error", (error) => fail(`[cannot-listen] ${reason(error)}. Free the port or set PORT and HOST.`));
  server.listen(config.port, config.host, () => log("listening", { release: RELEASE, host: config.host, port: config.port, node: process.version }));

  async function stop(signal: string): Promise<void> {
    log("stopping", { signal });
    setTimeout(() => process.exit(0), GRACE_MS + 300).unref();
    const cutOff = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    await new Promise((resolve) => server.close(resolve));
    clearTimeout(cutOff);
    await Promise.allSettled([pool.end(), cache.isReady ? cache.close() : cache.destroy()]);
    log("stopped");
    process.exit(0);
  }
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => void stop(signal));
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

try {
  main(readConfig(process.env));
} catch (error) {
  fail(reason(error));
}
