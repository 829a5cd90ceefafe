import type { Proc } from '../process/proc.ts';

/** Bad usage of test; status 2. */
export class TestError extends Error {}

const unary = new Set(['-n', '-z', '-e', '-f', '-d', '-r', '-w', '-x', '-s', '-L', '-h', '-p', '-S', '-b', '-c', '-t', '-k', '-u', '-g', '-O', '-G']);
const binary = new Set(['=', '==', '!=', '<', '>', '-eq', '-ne', '-lt', '-le', '-gt', '-ge', '-nt', '-ot', '-ef']);

function integer(text: string): bigint {
  if (!/^\s*[-+]?\d+\s*$/.test(text)) throw new TestError(`${text}: bad number`);
  return BigInt(text.trim().replace(/^\+/, ''));
}

function fileTest(proc: Proc, operator: string, operand: string): boolean {
  if (operator === '-n') return operand !== '';
  if (operator === '-z') return operand === '';
  if (operator === '-t') return proc.fds.get(Number(operand))?.isTty ?? false;
  const path = proc.path(operand);
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  if (operator === '-L' || operator === '-h') return proc.fs.exists(parent) && proc.fs.isDirectory(parent) && proc.fs.list(parent).includes(path.slice(path.lastIndexOf('/') + 1)) && proc.fs.lstat(path).kind === 'symlink';
  const stat = operand === '' ? undefined : proc.fs.tryStat(path);
  if (!stat) return false;
  switch (operator) {
    case '-e': return true;
    case '-f': return stat.kind === 'file';
    case '-d': return stat.kind === 'directory';
    case '-s': return stat.size > 0;
    case '-r':
    case '-w':
    case '-x': return proc.fs.access(path, operator.slice(1) as 'r' | 'w' | 'x');
    case '-c': return stat.kind === 'device';
    case '-b': return stat.kind === 'disk';
    case '-O': return stat.uid === proc.cred.uid;
    case '-G': return stat.gid === proc.cred.gid;
    case '-u': return (stat.mode & 0o4000) !== 0;
    case '-g': return (stat.mode & 0o2000) !== 0;
    case '-k': return (stat.mode & 0o1000) !== 0;
    default: return false;
  }
}

function compare(proc: Proc, [left, operator, right]: readonly [string, string, string]): boolean {
  switch (operator) {
    case '=':
    case '==': return left === right;
    case '!=': return left !== right;
    case '<': return left < right;
    case '>': return left > right;
    case '-eq': return integer(left) === integer(right);
    case '-ne': return integer(left) !== integer(right);
    case '-lt': return integer(left) < integer(right);
    case '-le': return integer(left) <= integer(right);
    case '-gt': return integer(left) > integer(right);
    case '-ge': return integer(left) >= integer(right);
    default: {
      const [a, b] = [proc.fs.tryStat(proc.path(left)), proc.fs.tryStat(proc.path(right))];
      if (operator === '-ef') return !!a && !!b && a.ino === b.ino;
      return operator === '-nt' ? !!a && (!b || a.mtimeMs > b.mtimeMs) : !!b && (!a || a.mtimeMs < b.mtimeMs);
    }
  }
}

/** Evaluates the operands of `test`, by POSIX's rules for few arguments and by precedence for many. */
export function evaluateTest(proc: Proc, args: readonly string[]): boolean {
  let at = 0;
  const peek = (ahead = 0): string | undefined => args[at + ahead];
  const primary = (): boolean => {
    const first = peek();
    if (first === undefined) throw new TestError('missing argument');
    if (binary.has(peek(1) ?? '') && peek(2) !== undefined) {
      at += 3;
      return compare(proc, [first, args[at - 2] as string, args[at - 1] as string]);
    }
    if (first === '!' && peek(1) !== undefined) {
      at++;
      return !primary();
    }
    if (first === '(' && args.indexOf(')', at) > 0) {
      at++;
      const value = or();
      if (peek() !== ')') throw new TestError('closing paren expected');
      at++;
      return value;
    }
    if (unary.has(first) && peek(1) !== undefined) {
      at += 2;
      return fileTest(proc, first, args[at - 1] as string);
    }
    at++;
    return first !== '';
  };
  const and = (): boolean => {
    let value = primary();
    while (peek() === '-a') {
      at++;
      value = primary() && value;
    }
    return value;
  };
  const or = (): boolean => {
    let value = and();
    while (peek() === '-o') {
      at++;
      value = and() || value;
    }
    return value;
  };
  if (!args.length) return false;
  const result = or();
  if (at < args.length) throw new TestError(`${args[at]}: unknown operand`);
  return result;
}
