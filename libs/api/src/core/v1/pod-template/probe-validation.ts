import type { ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, PodOS, Probe, SleepAction, TCPSocketAction } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkNonNegative, checkPort, checkPortOrName } from '../../../validation/fields.ts';
import { httpHeaderName } from '../../../validation/names.ts';

interface Handlers {
  exec?: ExecAction;
  httpGet?: HTTPGetAction;
  tcpSocket?: TCPSocketAction;
  grpc?: GRPCAction;
  sleep?: SleepAction;
}

function checkHttpGet(action: HTTPGetAction, at: FieldPath): void {
  if (!action.path) at.child('path').required();
  checkPortOrName(action.port, at.child('port'));
  at.child('scheme').oneOf(action.scheme, ['HTTP', 'HTTPS']);
  for (const header of action.httpHeaders ?? []) at.child('httpHeaders').matches(header.name, httpHeaderName);
}

/** Exactly one way to ask. */
function checkHandler(handlers: Handlers, { at, grace }: { at: FieldPath; grace: number | undefined }): void {
  let count = 0;
  const first = (name: string): FieldPath | undefined => {
    count++;
    if (count === 1) return at.child(name);
    at.child(name).forbidden('may not specify more than 1 handler type');
    return undefined;
  };
  if (handlers.exec) {
    const path = first('exec');
    if (path && !handlers.exec.command?.length) path.child('command').required();
  }
  if (handlers.httpGet) {
    const path = first('httpGet');
    if (path) checkHttpGet(handlers.httpGet, path);
  }
  if (handlers.tcpSocket) {
    const path = first('tcpSocket');
    if (path) checkPortOrName(handlers.tcpSocket.port, path.child('port'));
  }
  if (handlers.grpc) {
    const path = first('grpc');
    if (path) checkPort(handlers.grpc.port, path.child('port'));
  }
  if (handlers.sleep) {
    const path = first('sleep');
    if (path) checkSleep(handlers.sleep, { at: path, grace });
  }
  if (count === 0) at.required('must specify a handler type');
}

/** Without a grace period its absence is reported already. */
function checkSleep(sleep: SleepAction, { at, grace }: { at: FieldPath; grace: number | undefined }): void {
  const seconds = sleep.seconds ?? 0;
  if (grace === undefined || (seconds >= 0 && seconds <= grace)) return;
  at.invalid(seconds, `must be non-negative and less than terminationGracePeriodSeconds (${grace})`);
}

export function checkProbe(probe: Probe, at: FieldPath): void {
  checkHandler(probe, { at, grace: undefined });
  checkNonNegative(probe.initialDelaySeconds, at.child('initialDelaySeconds'));
  checkNonNegative(probe.timeoutSeconds, at.child('timeoutSeconds'));
  checkNonNegative(probe.periodSeconds, at.child('periodSeconds'));
  checkNonNegative(probe.successThreshold, at.child('successThreshold'));
  checkNonNegative(probe.failureThreshold, at.child('failureThreshold'));
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) at.child('terminationGracePeriodSeconds').invalid(grace, 'must be greater than 0');
}

/** Liveness and startup decide on one success. */
export function checkOneSuccessProbe(probe: Probe | undefined, at: FieldPath): void {
  if (!probe) return;
  checkProbe(probe, at);
  if (probe.successThreshold !== 1) at.child('successThreshold').invalid(probe.successThreshold ?? 0, 'must be 1');
}

export function checkReadinessProbe(probe: Probe | undefined, at: FieldPath): void {
  if (!probe) return;
  checkProbe(probe, at);
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined) at.child('terminationGracePeriodSeconds').invalid(grace, 'must not be set for readinessProbes');
}

function checkLifecycleHandler(handler: LifecycleHandler | undefined, where: { at: FieldPath; grace: number | undefined }): void {
  if (handler) checkHandler(handler, where);
}

const numbered = (from: number, to: number, name: (n: number) => string): string[] => Array.from({ length: to - from + 1 }, (_, i) => name(from + i));

const linuxSignals: readonly string[] = [
  'SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR',
  'SIGQUIT', 'SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU',
  'SIGXFSZ', 'SIGRTMIN', 'SIGRTMAX', ...numbered(1, 15, (n) => `SIGRTMIN+${n}`), ...numbered(1, 14, (n) => `SIGRTMAX-${n}`),
].sort();
const windowsSignals: readonly string[] = ['SIGKILL', 'SIGTERM'];

function checkStopSignal(signal: string, { at, os }: { at: FieldPath; os: PodOS | undefined }): void {
  if (!os) return at.forbidden('may not be set for containers with empty `spec.os.name`');
  const allowed = os.name === 'windows' ? windowsSignals : linuxSignals;
  if ((os.name === 'windows' || os.name === 'linux') && !allowed.includes(signal)) at.notSupported(signal, allowed);
}

export function checkLifecycle(lifecycle: Lifecycle | undefined, { at, grace, os }: { at: FieldPath; grace: number | undefined; os: PodOS | undefined }): void {
  if (!lifecycle) return;
  checkLifecycleHandler(lifecycle.postStart, { at: at.child('postStart'), grace });
  checkLifecycleHandler(lifecycle.preStop, { at: at.child('preStop'), grace });
  if (lifecycle.stopSignal !== undefined) checkStopSignal(lifecycle.stopSignal, { at: at.child('stopSignal'), os });
}
