import { type HttpReply, type HttpRequest, serveHttp } from '../net/http-server.ts';
import { httpCall, parseUrl } from '../net/http-client.ts';
import type { Proc, Program } from '../process/proc.ts';
import { type Command, flags } from './agnhost/flags.ts';
import { forever } from './agnhost/forever.ts';
import type { ImageDefinition } from './define-image.ts';

const text = (status: number, body: string): HttpReply => ({ status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body });

const notPost = text(400, 'Bad request. Not a POST request\n');
const unknownFunction = text(404, 'unknown function\n');
const incorrect = text(400, 'incorrect function argument\n');
const notGiven = text(400, 'not given function argument\n');

/** Parameters of the form in the body, then those of the URL, as Go's `Request.Form` has them. */
async function formOf(request: HttpRequest): Promise<URLSearchParams> {
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  const body = isForm ? [...new URLSearchParams((await request.body()).toString())] : [];
  return new URLSearchParams([...body, ...request.query]);
}

const integer = (value: string): number | undefined => (/^[-+]?\d+$/.test(value) ? Number(value) : undefined);
const decimal = (value: string): number | undefined => (value !== '' && Number.isFinite(Number(value)) ? Number(value) : undefined);

/** The named numbers of a form, or the reply that says what is wrong with them. */
function numbers<K extends string>(form: URLSearchParams, names: Readonly<Record<K, (value: string) => number | undefined>>): { readonly values: Record<K, number> } | { readonly refusal: HttpReply } {
  const found: Partial<Record<K, number>> = {};
  for (const name of Object.keys(names) as K[]) if (!form.get(name)) return { refusal: notGiven };
  for (const name of Object.keys(names) as K[]) {
    const value = names[name](form.get(name) ?? '');
    if (value === undefined) return { refusal: incorrect };
    found[name] = value;
  }
  return { values: found as Record<K, number> };
}

const megabyte = 1024 ** 2;

/** Custom metrics that requests have raised for a while. */
class Bumps {
  private readonly bumps: { readonly metric: string; readonly delta: number; readonly untilMs: number }[] = [];
  private readonly names = new Set<string>();

  add(metric: string, delta: number, untilMs: number): void {
    this.names.add(metric);
    this.bumps.push({ metric, delta, untilMs });
  }

  expose(nowMs: number): string {
    const value = (name: string): number => this.bumps.reduce((so, { metric, delta, untilMs }) => (metric === name && untilMs > nowMs ? so + delta : so), 0);
    return [...this.names].map((name) => `# HELP ${name} ${name}\n# TYPE ${name} gauge\n${name} ${value(name)}\n`).join('');
  }
}

async function consume(proc: Proc, request: HttpRequest, bumps: Bumps): Promise<HttpReply> {
  const nowMs = proc.clock.now();
  if (request.path === '/metrics') return text(200, bumps.expose(nowMs));
  if (request.method !== 'POST') return notPost;
  const form = await formOf(request);
  switch (request.path) {
    case '/ConsumeCPU': {
      const asked = numbers(form, { durationSec: integer, millicores: integer });
      if ('refusal' in asked) return asked.refusal;
      proc.host.load.burn(asked.values.millicores / 1000, asked.values.durationSec * 1000);
      return text(200, `ConsumeCPU\n${asked.values.millicores} millicores\n${asked.values.durationSec} durationSec\n`);
    }
    case '/ConsumeMem': {
      const asked = numbers(form, { durationSec: integer, megabytes: integer });
      if ('refusal' in asked) return asked.refusal;
      proc.host.load.hold(asked.values.megabytes * megabyte, asked.values.durationSec * 1000);
      return text(200, `ConsumeMem\n${asked.values.megabytes} megabytes\n${asked.values.durationSec} durationSec\n`);
    }
    case '/GetCurrentStatus':
      return text(200, 'Warning: not implemented!\nGetCurrentStatus');
    case '/BumpMetric': {
      const metric = form.get('metric');
      if (!metric) return notGiven;
      const asked = numbers(form, { delta: decimal, durationSec: integer });
      if ('refusal' in asked) return asked.refusal;
      bumps.add(metric, asked.values.delta, nowMs + asked.values.durationSec * 1000);
      return text(200, `BumpMetric\n${metric} metric\n${asked.values.delta} delta\n${asked.values.durationSec} durationSec\n`);
    }
    default:
      return unknownFunction;
  }
}

const consumer: Program = (proc) => {
  const bumps = new Bumps();
  serveHttp(proc, { ip: '', port: flags(proc.argv.slice(1)).number('port', 8080) }, (request) => consume(proc, request, bumps));
  return forever(proc);
};

/** What autoscaling tests use: it spends what it is told to. */
export const resourceConsumer: ImageDefinition = {
  names: ['registry.k8s.io/e2e-test-images/resource-consumer', 'k8s.gcr.io/e2e-test-images/resource-consumer', 'gcr.io/kubernetes-e2e-test-images/resource-consumer'],
  entrypoint: ['/consumer'],
  programs: { '/consumer': consumer },
  sizeBytes: 12_000_000,
  memoryBytes: 5 * megabyte,
};

/** The endpoints of a consumer, with the parameters that say how much a request is to ask for. */
const spreads: Readonly<Record<string, { readonly amount: string; readonly size: string; readonly unit: string; readonly task: (count: number, size: number, rest: number) => string; readonly done: (amount: number, metric: string) => string }>> = {
  '/ConsumeCPU': { amount: 'millicores', size: 'requestSizeMillicores', unit: 'millicores', task: (count, size, rest) => `sending ${count} requests to consume ${size} millicores each and 1 request to consume ${rest} millicores`, done: (amount) => `Consumed ${amount} millicores` },
  '/ConsumeMem': { amount: 'megabytes', size: 'requestSizeMegabytes', unit: 'megabytes', task: (count, size, rest) => `sending ${count} requests to consume ${size} MB each and 1 request to consume ${rest} MB`, done: (amount) => `Consumed ${amount} megabytes` },
  '/BumpMetric': { amount: 'delta', size: 'requestSizeMetrics', unit: 'delta', task: (count, size, rest) => `sending ${count} requests to bump custom metric by ${size} each and 1 request to bump by ${rest}`, done: (amount, metric) => `Bumped metric ${metric} by ${amount}` },
};

/** `agnhost resource-consumer-controller`: spreads what is asked over the pods of a Service, a request each. */
export const resourceConsumerController: Command = (proc, options) => {
  const service = options.get('consumer-service-name') ?? 'resource-consumer';
  const namespace = options.get('consumer-service-namespace') ?? 'default';
  const base = `http://${service}.${namespace}.svc:${options.number('consumer-port', 8080)}`;
  const send = async (path: string, parameters: Readonly<Record<string, string>>): Promise<string | undefined> => {
    const url = parseUrl(`${base}${path}`);
    if (!url) return 'invalid URL';
    const body = Buffer.from(new URLSearchParams(parameters).toString());
    try {
      const reply = await httpCall(proc, { method: 'POST', url, headers: [['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)], ['Connection', 'close']], body });
      // The reply is read so that the connection ends.
      for await (const part of reply.body) if (!part.length) break;
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  serveHttp(proc, { ip: '', port: options.number('port', 8080) }, async (request) => {
    if (request.method !== 'POST') return notPost;
    const spread = spreads[request.path];
    if (!spread) return unknownFunction;
    const form = await formOf(request);
    const metric = form.get('metric') ?? '';
    if (spread.amount === 'delta' && !metric) return notGiven;
    const asked = numbers(form, { durationSec: integer, [spread.amount]: integer, [spread.size]: integer });
    if ('refusal' in asked) return asked.refusal;
    const [amount = 0, size = 0, seconds = 0] = [asked.values[spread.amount], asked.values[spread.size], asked.values['durationSec']];
    if (size <= 0) return incorrect;
    const count = Math.trunc(amount / size);
    const rest = amount - count * size;
    const sizes = [...Array.from({ length: Math.max(0, count) }, () => size), ...(rest > 0 ? [rest] : [])];
    const lines = await Promise.all(
      sizes.map(async (one) => {
        const failure = await send(request.path, { [spread.amount]: String(one), durationSec: String(seconds), ...(metric ? { metric } : {}) });
        return failure === undefined ? spread.done(one, metric) : `Failed to connect to consumer: ${failure}`;
      }),
    );
    return text(200, `RC manager: ${spread.task(count, size, rest)}\n${lines.map((line) => `${line}\n`).join('')}`);
  });
  return forever(proc);
};
