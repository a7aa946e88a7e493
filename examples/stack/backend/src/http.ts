/** An answer that is the caller's to mend. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function uuid(value: unknown, name: string): string {
  if (typeof value !== "string" || !UUID.test(value)) throw new HttpError(400, `[bad-input] ${name} must be a UUID.`);
  return value;
}

export function text(value: unknown, name: string, longest: number): string {
  if (typeof value !== "string" || value === "" || value.length > longest) {
    throw new HttpError(400, `[bad-input] ${name} must be a text of 1 to ${longest} characters.`);
  }
  return value;
}

/** A positive decimal string of at most 12 digits before and 8 after the point, as numeric(20,8) holds it. */
export function amount(value: unknown, name: string): string {
  if (typeof value !== "string" || !/^\d{1,12}(\.\d{1,8})?$/.test(value) || !/[1-9]/.test(value)) {
    throw new HttpError(400, `[bad-input] ${name} must be a positive decimal string such as "12.50".`);
  }
  return value;
}

/** The `limit` of a list, 20 unless asked for otherwise. */
export function limit(value: unknown): number {
  const wanted = value === undefined ? 20 : Number(value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 100) throw new HttpError(400, "[bad-input] limit must be between 1 and 100.");
  return wanted;
}

export function found<T>(row: T | undefined, what: string): T {
  if (row === undefined) throw new HttpError(404, `[not-found] There is no such ${what}.`);
  return row;
}
