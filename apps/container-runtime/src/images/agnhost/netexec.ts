import { type Endpoint, formatEndpoint } from '@orrery/vnet';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import { collector, nullFile } from '../../process/open-file.ts';
import type { Proc } from '../../process/proc.ts';
import { ExecError } from '../../process/process-table.ts';
import { signalName, signals } from '../../process/signals.ts';
import { dial } from './dial.ts';
import { type Command, goDuration } from './flags.ts';
import { goFatal, goJson, goLog } from './go-text.ts';
import { tlsFromFlags } from './tls-flags.ts';

const text = (body: string, status = 200): HttpReply => ({ status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body });

const isDuration = (value: string): boolean => /^(?:0|(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.test(value);

/** How os/exec says that a command failed. */
function exitText(code: number): string {
  return code > 128 ? `signal: ${signalName(code - 128) === 'KILL' ? 'killed' : signalName(code - 128).toLowerCase()}` : `exit status ${code}`;
}

async function shell(proc: Proc, command: string): Promise<HttpReply> {
  const output = collector();
  const result: { output?: string; error?: string } = {};
  try {
    const code = await proc.until(proc.spawn({ argv: ['/bin/sh', '-c', command], fds: new Map([[0, nullFile()], [1, output.file], [2, output.file]]) }).exited);
    if (code) result.error = exitText(code);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    result.error = `fork/exec /bin/sh: ${error.message.toLowerCase()}`;
  }
  if (output.text()) result.output = output.text();
  await goLog(proc, `Output: map[${Object.entries(result).sort().map(([name, value]) => `${name}:${value}`).join(' ')}]`);
  return text(goJson(result));
}

/** The file of a multipart form's field `file`. */
function formFile(body: Buffer, contentType: string): Buffer | undefined {
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/i.exec(contentType)?.[1];
  if (boundary === undefined) return undefined;
  const parts = body.toString('latin1').split(`--${boundary}`);
  const part = parts.find((one) => /^\r\ncontent-disposition:[^\r\n]*\bname="?file"?[;\r]/im.test(one));
  const start = part?.indexOf('\r\n\r\n') ?? -1;
  return part === undefined || start < 0 ? undefined : Buffer.from(part.slice(start + 4).replace(/\r\n$/, ''), 'latin1');
}

async function upload(proc: Proc, request: HttpRequest): Promise<HttpReply> {
  const file = formFile(await request.body(), request.headers['content-type'] ?? '');
  if (!file) return text(goJson({ error: 'Unable to upload file.' }));
  const name = `/uploads/upload${proc.random.int(1_000_000_000)}`;
  if (!proc.fs.isDirectory('/uploads') || !proc.fs.access('/uploads', 'w')) return text(goJson({ error: 'Unable to open file for write' }));
  proc.fs.writeFile(name, file, 0o700);
  await goLog(proc, `Wrote upload to ${name}`);
  return text(goJson({ output: name }), 201);
}

interface State {
  ready: boolean;
  readonly startedMs: number;
  /** Ends the process: at once, or when the requests being answered are done. */
  stop(code: number): void;
}

async function exit(proc: Proc, values: URLSearchParams, state: State): Promise<HttpReply> {
  const [code = '', timeout = '', wait = ''] = ['code', 'timeout', 'wait'].map((name) => values.get(name) ?? '');
  await goLog(proc, `GET /exit?code=${code}&timeout=${timeout}&wait=${wait}`);
  for (const [name, value] of [['timeout', timeout], ['wait', wait]] as const) {
    if (value !== '' && !isDuration(value)) return text(`argument '${name}' must be a valid golang duration or empty, got ${JSON.stringify(value)}\n`);
  }
  if (code !== '' && !/^-?\d+$/.test(code)) return text(`argument 'code' must be an integer [0-127] or empty, got ${JSON.stringify(code)}\n`);
  await goLog(proc, `Will begin shutdown in ${wait || '0s'}, allowing ${timeout || '0s'} for connections to close, then will exit with ${Number(code)}`);
  await proc.sleep(goDuration(wait || '0s'));
  if (goDuration(timeout || '0s') === 0) state.stop(Number(code));
  else proc.clock.after(1, () => state.stop(Number(code)));
  return text('');
}

/** As FormValue: the query, then an urlencoded body. */
async function formValues(request: HttpRequest): Promise<URLSearchParams> {
  const values = new URLSearchParams(request.query);
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    for (const [name, value] of new URLSearchParams((await request.body()).toString())) if (!values.has(name)) values.set(name, value);
  }
  return values;
}

async function answer(proc: Proc, request: HttpRequest, state: State): Promise<HttpReply> {
  const values = request.path === '/upload' ? request.query : await formValues(request);
  const value = (name: string): string => values.get(name) ?? '';
  const log = (line: string): Promise<void> => goLog(proc, line);
  switch (request.path) {
    case '/clientip':
      await log('GET /clientip');
      return text(formatEndpoint(request.remote));
    case '/hostname':
    case '/hostName':
      await log(`GET ${request.path}`);
      return text(proc.host.hostname);
    case '/serverport':
      await log('GET /serverport');
      return text(String(request.local.port));
    case '/echo':
      await log(`GET /echo?msg=${value('msg')}&code=${value('code')}`);
      if (value('code') !== '' && !/^\d+$/.test(value('code'))) return text(`argument 'code' must be an integer or empty, got ${JSON.stringify(value('code'))}\n`);
      return text(value('msg'), Number(value('code') || 200));
    case '/header':
      await log(`GET /header?key=${value('key')}`);
      return text(request.headers[value('key').toLowerCase()] ?? '');
    case '/healthz':
      await log('GET /healthz');
      return { status: state.ready ? 200 : 412 };
    case '/shell':
      await log(`GET /shell?cmd=${value('shellCommand') || value('cmd')}`);
      return shell(proc, value('shellCommand') || value('cmd'));
    case '/dial':
      await log(`GET /dial?host=${value('host')}&protocol=${value('protocol')}&port=${value('port')}&request=${value('request')}&tries=${value('tries')}`);
      return dial(proc, request);
    case '/redirect': {
      await log(`${request.method} /redirect?msg=${value('location')}&code=${value('code')}`);
      if (value('code') !== '' && !/^\d+$/.test(value('code'))) return text(`argument 'code' must be an integer or empty, got ${JSON.stringify(value('code'))}\n`);
      return { status: Number(value('code') || 302), headers: [['Location', value('location')], ['Content-Type', 'text/html; charset=utf-8']], body: '' };
    }
    case '/exit':
      return exit(proc, values, state);
    case '/shutdown':
      await log('GET /shutdown');
      state.stop(0);
      return text('');
    case '/upload':
      await log('GET /upload');
      return upload(proc, request);
    default:
      await log('GET /');
      return text(`NOW: ${new Date(proc.clock.now()).toISOString().replace('T', ' ').replace('Z', '000000')} +0000 UTC m=+${((proc.clock.monotonic() - state.startedMs) / 1000).toFixed(9)}`);
  }
}

async function answerUdp(proc: Proc, bytes: Uint8Array, from: Endpoint): Promise<string | undefined> {
  const received = Buffer.from(bytes).toString().trim().toLowerCase();
  if (received === 'hostname') {
    await goLog(proc, 'Sending udp hostName response');
    return proc.host.hostname;
  }
  if (received.startsWith('echo ')) {
    await goLog(proc, `Echoing ${received.slice(5)} to UDP client ${formatEndpoint(from)}`);
    return received.slice(5);
  }
  if (received === 'clientip') {
    await goLog(proc, `Sending clientip back to UDP client ${formatEndpoint(from)}`);
    return formatEndpoint(from);
  }
  if (received) await goLog(proc, `Unknown UDP command received from ${formatEndpoint(from)}: ${received}`);
  return undefined;
}

function serveUdp(proc: Proc, at: Endpoint): void {
  const socket = proc.net.udp(at, (bytes, from) => {
    answerUdp(proc, bytes, from).then((reply) => (reply === undefined ? undefined : socket.send(Buffer.from(reply), from)), () => undefined);
  });
}

/** Answers the same request, whatever was asked. */
function overridden(request: HttpRequest, target: string): HttpRequest {
  const [path = '/', query = ''] = target.split(/\?(.*)/s);
  return { ...request, method: 'GET', target, path, query: new URLSearchParams(query), headers: {}, headerList: [] };
}

/** HTTP and UDP servers that tell about the pod and do what they are asked to. */
export const netexec: Command = async (proc, flags) => {
  const [httpPort, udpPort, delaySeconds] = [flags.number('http-port', 8080), flags.number('udp-port', 8081), flags.number('delay-shutdown', 0)];
  const secure = flags.get('tls-cert-file') ? await tlsFromFlags(proc, flags) : undefined;
  if (flags.number('sctp-port', -1) !== -1) return goFatal(proc, 'SCTP is not emulated: --sctp-port cannot be used');
  const override = flags.get('http-override');
  return new Promise<number>((resolve, reject) => {
    const state: State = { ready: false, startedMs: proc.clock.monotonic(), stop: resolve };
    serveHttp(proc, { ip: '', port: httpPort, secure }, (request) => answer(proc, override === undefined ? request : overridden(request, override), state));
    const notes = [secure ? `Started HTTPS server on port ${httpPort}` : `Started HTTP server on port ${httpPort}`];
    if (udpPort !== -1) {
      for (const ip of flags.get('udp-listen-addresses')?.split(',') ?? ['']) {
        serveUdp(proc, { ip, port: udpPort });
        notes.push(`Started UDP server on port ${ip} ${udpPort}`);
      }
      state.ready = true;
    }
    const start = async (): Promise<void> => {
      for (const note of notes) await goLog(proc, note);
    };
    start().catch(reject);
    if (delaySeconds > 0) {
      const delayed = async (): Promise<void> => {
        await goLog(proc, `Received shutdown signal, will exit in ${delaySeconds} seconds`);
        await proc.sleep(delaySeconds * 1000);
        resolve(0);
      };
      proc.onSignal(signals.TERM, () => void delayed().catch(reject));
    }
  });
};
