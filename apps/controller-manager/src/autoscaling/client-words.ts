import { StatusError } from '@orrery/errors';
import { MetricError } from './readings.ts';

/** What Go's client makes of a failed read that came without a Status, by code. */
const words: Readonly<Record<number, string>> = {
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};

/** How our clients word what was no Status. */
const noStatus = /^the server answered \d+: ([^]*)$/;

function ownWords({ code }: StatusError, text: string): string {
  const known = words[code];
  if (known !== undefined) return known;
  if (code >= 500) return `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`;
  return `the server responded with the status code ${code} but did not return more information`;
}

/** A failure as Go's client tells it: the message of the Status that a server answered with, whatever its code; else words of its own. */
function clientWords(error: StatusError, what: string): string {
  const text = noStatus.exec(error.message)?.[1]?.trim();
  return text === undefined ? error.message : `${ownWords(error, text)} (get ${what})`;
}

/** Reads `what` of a metrics API (`pods.metrics.k8s.io`). Throws MetricError with what Go's client would say. */
export async function asking<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new MetricError(clientWords(error, what));
  }
}
