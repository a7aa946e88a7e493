// Keeps in Redis that it ran.
const redis = new URL(process.env.REDIS_URL);
const socket = require("net").connect(redis.port || 6379, redis.hostname, () => socket.write("SET seeded 1\r\nQUIT\r\n"));
socket.resume();
