export type Config = { pgUrl: string; redisUrl: string; port: number; host: string; requestsPerMinute: number };

/** Reads the environment. MONGO_URI, MONGODB_URI and MONGO_CONNECT_MODE are obsolete: nothing looks at them. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  return {
    pgUrl: pgUrl(env),
    redisUrl: env.REDIS_URL || "redis://127.0.0.1:6379",
    port: wholeNumber(env, "PORT", 5000),
    host: env.HOST || "0.0.0.0",
    requestsPerMinute: wholeNumber(env, "RATE_LIMIT_PER_MINUTE", 6000),
  };
}

export function pgUrl(env: NodeJS.ProcessEnv): string {
  const url = env.PG_URL;
  if (!url) {
    throw new Error("[pg-url-missing] PG_URL is not set; nothing was started. Next: set it to postgres://<user>:<password>@<host>:5432/<database>.");
  }
  // The value is never repeated in a message: it holds a password.
  if (!/^postgres(ql)?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
    throw new Error("[pg-url-malformed] PG_URL is not a postgres:// address; nothing was started. Next: percent-encode special characters of the password.");
  }
  return url;
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (!text) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`[bad-number] ${name} is "${text}", which is not a whole number; nothing was started.`);
  return Number(text);
}
