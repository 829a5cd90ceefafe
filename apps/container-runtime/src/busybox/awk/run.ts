import type { Proc } from '../../process/proc.ts';
import { collector } from '../../process/open-file.ts';
import { UsageError } from '../applet.ts';
import { posixRegex } from '../regex.ts';
import type { AwkProgram, Expression, Rule, Statement } from './parse.ts';
import { formatAwk } from './format.ts';

/** A value from input looks like a number when it is one; then it compares as one. */
export type Value = number | string | { readonly input: string };

class Jump extends Error {
  readonly kind: 'next' | 'exit' | 'break' | 'continue' | 'return';
  readonly value: Value;

  constructor(kind: Jump['kind'], value: Value) {
    super(kind);
    this.kind = kind;
    this.value = value;
  }
}

const numeric = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

export function toNumber(value: Value): number {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value : value.input;
  return Number(/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/.exec(text)?.[0] ?? 0);
}

export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return value.input;
  return Number.isInteger(value) ? String(value) : Number(value.toPrecision(6)).toString();
}

function truthy(value: Value): boolean {
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  return numeric.test(value.input) ? toNumber(value) !== 0 : value.input !== '';
}

function isNumeric(value: Value): boolean {
  return typeof value === 'number' || (typeof value === 'object' && numeric.test(value.input));
}

type AwkArray = Map<string, Value>;

interface Frame {
  readonly values: Map<string, Value | AwkArray>;
}

/** Runs a program over records. */
export class AwkRunner {
  private readonly proc: Proc;
  private readonly program: AwkProgram;
  private readonly globals = new Map<string, Value | AwkArray>();
  private readonly frames: Frame[] = [];
  private readonly regexes = new Map<string, RegExp>();
  private readonly ranges = new Map<Rule, boolean>();
  private readonly written = new Set<string>();
  private fields: Value[] = [''];
  private steps = 0;
  private readonly nextRecord: () => Promise<string | undefined>;
  private readonly readers = new Map<string, string[]>();

  constructor(options: { proc: Proc; program: AwkProgram; nextRecord: () => Promise<string | undefined> }) {
    this.proc = options.proc;
    this.program = options.program;
    this.nextRecord = options.nextRecord;
    const environ: AwkArray = new Map([...this.proc.env].map(([name, value]) => [name, { input: value }]));
    for (const [name, value] of Object.entries({ NR: 0, NF: 0, FNR: 0, FS: ' ', OFS: ' ', ORS: '\n', RS: '\n', SUBSEP: '\x1c', RSTART: 0, RLENGTH: -1, FILENAME: '' })) this.globals.set(name, value);
    this.globals.set('ENVIRON', environ);
  }

  setGlobal(name: string, value: Value): void {
    this.globals.set(name, value);
  }

  async run(): Promise<number> {
    let code = 0;
    const { rules } = this.program;
    try {
      for (const rule of rules) if (rule.when === 'BEGIN' && rule.body) await this.statement(rule.body);
      if (rules.some((rule) => rule.when !== 'BEGIN')) await this.records(rules);
    } catch (error) {
      if (!(error instanceof Jump && error.kind === 'exit')) throw error;
      code = toNumber(error.value);
    }
    try {
      for (const rule of rules) if (rule.when === 'END' && rule.body) await this.statement(rule.body);
    } catch (error) {
      if (!(error instanceof Jump && error.kind === 'exit')) throw error;
      code = toNumber(error.value) || code;
    }
    return code;
  }

  private async records(rules: readonly Rule[]): Promise<void> {
    for (let record = await this.nextRecord(); record !== undefined; record = await this.nextRecord()) {
      this.bump('NR');
      this.bump('FNR');
      this.setRecord(record);
      try {
        for (const rule of rules) if (rule.when === 'pattern' && (await this.selected(rule))) await this.act(rule);
      } catch (error) {
        if (!(error instanceof Jump && error.kind === 'next')) throw error;
      }
    }
  }

  private bump(name: string): void {
    this.globals.set(name, toNumber(this.globals.get(name) as Value) + 1);
  }

  private async selected(rule: Rule): Promise<boolean> {
    if (!rule.pattern) return true;
    if (!rule.end) return truthy(await this.value(rule.pattern));
    const active = this.ranges.get(rule) ?? false;
    if (!active && !truthy(await this.value(rule.pattern))) return false;
    this.ranges.set(rule, !truthy(await this.value(rule.end)));
    return true;
  }

  private async act(rule: Rule): Promise<void> {
    if (rule.body) await this.statement(rule.body);
    else await this.proc.out(`${toText(this.fields[0] ?? '')}${toText(this.lookup('ORS'))}`);
  }

  private split(text: string, separator: string): string[] {
    if (text === '') return [];
    if (separator === ' ') return text.trim().split(/\s+/).filter(Boolean);
    if (separator === '') return [...text];
    return separator.length === 1 && separator !== '|' ? text.split(separator) : text.split(this.regex(separator));
  }

  private setRecord(text: string): void {
    const parts = this.split(text, toText(this.lookup('FS')));
    this.fields = [{ input: text }, ...parts.map((part) => ({ input: part }))];
    this.globals.set('NF', parts.length);
  }

  private setField(index: number, value: Value): void {
    if (index === 0) {
      this.setRecord(toText(value));
      return;
    }
    while (this.fields.length <= index) this.fields.push('');
    this.fields[index] = value;
    this.globals.set('NF', this.fields.length - 1);
    this.rejoin();
  }

  private rejoin(): void {
    this.fields[0] = { input: this.fields.slice(1).map(toText).join(toText(this.lookup('OFS'))) };
  }

  private scope(name: string): Map<string, Value | AwkArray> {
    const frame = this.frames.at(-1);
    return frame?.values.has(name) ? frame.values : this.globals;
  }

  private lookup(name: string): Value {
    const value = this.scope(name).get(name);
    return value === undefined || value instanceof Map ? { input: '' } : value;
  }

  private array(name: string): AwkArray {
    const scope = this.scope(name);
    const found = scope.get(name);
    if (found instanceof Map) return found;
    const fresh: AwkArray = new Map();
    scope.set(name, fresh);
    return fresh;
  }

  private regex(source: string): RegExp {
    let regex = this.regexes.get(source);
    if (!regex) {
      try {
        regex = new RegExp(posixRegex(source, true));
      } catch {
        throw new UsageError(`bad regex '${source}'`);
      }
      this.regexes.set(source, regex);
    }
    return regex;
  }

  private async regexOf(expression: Expression): Promise<RegExp> {
    return this.regex(expression.type === 'regex' ? expression.source : toText(await this.value(expression)));
  }

  private async subscript(list: readonly Expression[]): Promise<string> {
    const parts: string[] = [];
    for (const item of list) parts.push(toText(await this.value(item)));
    return parts.join(toText(this.lookup('SUBSEP')));
  }

  private async statement(statement: Statement): Promise<void> {
    if (++this.steps % 2000 === 0) await this.proc.sleep(1);
    switch (statement.type) {
      case 'block':
        for (const inner of statement.body) await this.statement(inner);
        return;
      case 'expression':
        await this.value(statement.expression);
        return;
      case 'print':
      case 'printf':
        return this.print(statement);
      case 'if':
        if (truthy(await this.value(statement.condition))) await this.statement(statement.yes);
        else if (statement.no) await this.statement(statement.no);
        return;
      case 'while':
        if (statement.after && !(await this.loopBody(statement.body))) return;
        while (truthy(await this.value(statement.condition))) if (!(await this.loopBody(statement.body))) return;
        return;
      case 'for':
        if (statement.init) await this.statement(statement.init);
        while (!statement.condition || truthy(await this.value(statement.condition))) {
          if (!(await this.loopBody(statement.body))) return;
          if (statement.step) await this.statement(statement.step);
        }
        return;
      case 'forIn':
        for (const key of [...this.array(statement.array).keys()]) {
          this.scope(statement.variable).set(statement.variable, { input: key });
          if (!(await this.loopBody(statement.body))) return;
        }
        return;
      case 'jump':
        throw new Jump(statement.kind, statement.value ? await this.value(statement.value) : 0);
      case 'delete':
        if (statement.subscript) this.array(statement.name).delete(await this.subscript(statement.subscript));
        else this.array(statement.name).clear();
    }
  }

  /** False after a break. */
  private async loopBody(body: Statement): Promise<boolean> {
    try {
      await this.statement(body);
    } catch (error) {
      if (!(error instanceof Jump)) throw error;
      if (error.kind === 'break') return false;
      if (error.kind !== 'continue') throw error;
    }
    return true;
  }

  private async print(statement: Extract<Statement, { type: 'print' | 'printf' }>): Promise<void> {
    const values: Value[] = [];
    for (const arg of statement.args) values.push(await this.value(arg));
    const text = statement.type === 'printf'
      ? formatAwk(toText(values[0] ?? ''), values.slice(1))
      : (values.length ? values.map(toText).join(toText(this.lookup('OFS'))) : toText(this.fields[0] ?? '')) + toText(this.lookup('ORS'));
    if (!statement.to) {
      await this.proc.out(text);
      return;
    }
    const path = toText(await this.value(statement.to.file));
    if (path === '/dev/stderr') await this.proc.err(text);
    else if (path === '/dev/stdout') await this.proc.out(text);
    else {
      const fresh = !statement.to.append && !this.written.has(path);
      this.written.add(path);
      this.proc.fs.open(this.proc.path(path), { write: true, create: 0o666 & ~this.proc.umask, truncate: fresh }).append(Buffer.from(text));
    }
  }

  async value(expression: Expression): Promise<Value> {
    switch (expression.type) {
      case 'number':
      case 'string':
        return expression.value;
      case 'regex':
        return this.regex(expression.source).test(toText(this.fields[0] ?? '')) ? 1 : 0;
      case 'variable':
        return this.lookup(expression.name);
      case 'field':
        return this.fields[toNumber(await this.value(expression.index))] ?? { input: '' };
      case 'element': {
        const array = this.array(expression.name);
        const key = await this.subscript(expression.subscript);
        const found = array.get(key);
        if (found === undefined) array.set(key, { input: '' });
        return found ?? { input: '' };
      }
      case 'in':
        return this.array(expression.name).has(await this.subscript(expression.subscript)) ? 1 : 0;
      case 'assign': {
        const right = await this.value(expression.value);
        return this.assign(expression.target, expression.operator ? arithmetic(expression.operator, toNumber(await this.value(expression.target)), toNumber(right)) : right);
      }
      case 'step': {
        const before = toNumber(await this.value(expression.target));
        await this.assign(expression.target, before + expression.by);
        return expression.prefix ? before + expression.by : before;
      }
      case 'unary': {
        const operand = await this.value(expression.operand);
        if (expression.operator === '!') return truthy(operand) ? 0 : 1;
        return expression.operator === '-' ? -toNumber(operand) : toNumber(operand);
      }
      case 'ternary':
        return this.value(truthy(await this.value(expression.condition)) ? expression.yes : expression.no);
      case 'binary':
        return this.binary(expression);
      case 'call':
        return this.call(expression.name, expression.args);
      case 'getline':
        return this.getline(expression);
    }
  }

  private async assign(target: Expression, value: Value): Promise<Value> {
    if (target.type === 'field') this.setField(toNumber(await this.value(target.index)), value);
    else if (target.type === 'element') this.array(target.name).set(await this.subscript(target.subscript), value);
    else if (target.type === 'variable') {
      this.scope(target.name).set(target.name, value);
      if (target.name === 'NF') {
        this.fields.length = Math.min(this.fields.length, toNumber(value) + 1);
        while (this.fields.length <= toNumber(value)) this.fields.push('');
        this.rejoin();
      }
    }
    return value;
  }

  private async binary({ operator, left, right }: Extract<Expression, { type: 'binary' }>): Promise<Value> {
    if (operator === '&&') return truthy(await this.value(left)) && truthy(await this.value(right)) ? 1 : 0;
    if (operator === '||') return truthy(await this.value(left)) || truthy(await this.value(right)) ? 1 : 0;
    if (operator === '~' || operator === '!~') return (await this.regexOf(right)).test(toText(await this.value(left))) === (operator === '~') ? 1 : 0;
    const a = await this.value(left);
    const b = await this.value(right);
    if (operator === ' ') return toText(a) + toText(b);
    if (/^[<>=!]/.test(operator)) {
      const [x, y] = isNumeric(a) && isNumeric(b) ? [toNumber(a), toNumber(b)] : [toText(a), toText(b)];
      return { '<': x < y, '<=': x <= y, '>': x > y, '>=': x >= y, '==': x === y, '!=': x !== y }[operator] ? 1 : 0;
    }
    return arithmetic(operator, toNumber(a), toNumber(b));
  }

  private async call(name: string, args: readonly Expression[]): Promise<Value> {
    const user = this.program.functions.get(name);
    if (user) return this.callUser(user, args);
    const first = args[0];
    switch (name) {
      case 'length':
        if (!first) return toText(this.fields[0] ?? '').length;
        if (first.type === 'variable' && this.scope(first.name).get(first.name) instanceof Map) return this.array(first.name).size;
        return toText(await this.value(first)).length;
      case 'split': {
        const array = this.array((args[1] as { name?: string } | undefined)?.name ?? '');
        const separator = args[2] ? (args[2].type === 'regex' ? args[2].source : toText(await this.value(args[2]))) : toText(this.lookup('FS'));
        const text = toText(await this.value(first as Expression));
        array.clear();
        const parts = args[2]?.type === 'regex' ? (text === '' ? [] : text.split(this.regex(separator))) : this.split(text, separator);
        parts.forEach((part, i) => array.set(String(i + 1), { input: part }));
        return parts.length;
      }
      case 'sub':
      case 'gsub':
        return this.replace(args, name === 'gsub');
      case 'match': {
        const found = (await this.regexOf(args[1] as Expression)).exec(toText(await this.value(first as Expression)));
        this.globals.set('RSTART', found ? found.index + 1 : 0);
        this.globals.set('RLENGTH', found ? found[0].length : -1);
        return found ? found.index + 1 : 0;
      }
      default: {
        const values: Value[] = [];
        for (const arg of args) values.push(await this.value(arg));
        return this.plain(name, values);
      }
    }
  }

  private async plain(name: string, values: readonly Value[]): Promise<Value> {
    const number = toNumber(values[0] ?? 0);
    const text = toText(values[0] ?? '');
    switch (name) {
      case 'substr': {
        const start = Math.round(toNumber(values[1] ?? 1));
        const end = values[2] === undefined ? Number.POSITIVE_INFINITY : start + Math.round(toNumber(values[2]));
        return text.slice(Math.max(0, start - 1), Math.max(0, end - 1));
      }
      case 'index': return text.indexOf(toText(values[1] ?? '')) + 1;
      case 'toupper': return text.toUpperCase();
      case 'tolower': return text.toLowerCase();
      case 'sprintf': return formatAwk(text, values.slice(1));
      case 'int': return Math.trunc(number);
      case 'sqrt': return Math.sqrt(number);
      case 'exp': return Math.exp(number);
      case 'log': return Math.log(number);
      case 'sin': return Math.sin(number);
      case 'cos': return Math.cos(number);
      case 'atan2': return Math.atan2(number, toNumber(values[1] ?? 0));
      case 'rand': return this.proc.random.next();
      case 'srand': return 0;
      case 'systime': return Math.floor(this.proc.clock.now() / 1000);
      case 'close':
      case 'fflush': return 0;
      case 'system': {
        const output = collector();
        const fds = new Map(this.proc.fds).set(1, output.file);
        const code = await this.proc.until(this.proc.spawn({ argv: ['sh', '-c', text], fds }).exited);
        await this.proc.out(output.bytes());
        return code;
      }
      default: throw new UsageError(`Call to undefined function: ${name}`);
    }
  }

  private async replace(args: readonly Expression[], global: boolean): Promise<number> {
    const source = await this.regexOf(args[0] as Expression);
    const replacement = toText(await this.value(args[1] as Expression));
    const target: Expression = args[2] ?? { type: 'field', index: { type: 'number', value: 0 } };
    let count = 0;
    const text = toText(await this.value(target)).replace(new RegExp(source.source, global ? 'g' : ''), (match) => {
      count++;
      return replacement.replace(/\\\\|\\&|&/g, (code) => (code === '&' ? match : code.slice(1)));
    });
    if (count) await this.assign(target, text);
    return count;
  }

  private async callUser({ parameters, body }: { parameters: readonly string[]; body: Statement }, args: readonly Expression[]): Promise<Value> {
    const values = new Map<string, Value | AwkArray>();
    for (const [i, name] of parameters.entries()) {
      const arg = args[i];
      const existing = arg?.type === 'variable' ? this.scope(arg.name).get(arg.name) : undefined;
      values.set(name, existing instanceof Map ? existing : arg ? await this.value(arg) : { input: '' });
    }
    this.frames.push({ values });
    try {
      await this.statement(body);
      return '';
    } catch (error) {
      if (error instanceof Jump && error.kind === 'return') return error.value;
      throw error;
    } finally {
      this.frames.pop();
    }
  }

  private async getline({ target, file }: Extract<Expression, { type: 'getline' }>): Promise<Value> {
    let record: string | undefined;
    if (file) {
      const path = this.proc.path(toText(await this.value(file)));
      if (!this.proc.fs.exists(path)) return -1;
      let rest = this.readers.get(path);
      if (!rest) this.readers.set(path, (rest = this.proc.fs.readText(path).replace(/\n$/, '').split('\n')));
      record = rest.shift();
    } else record = await this.nextRecord();
    if (record === undefined) return 0;
    if (!file) this.bump('NR');
    if (target) await this.assign(target, { input: record });
    else this.setRecord(record);
    return 1;
  }
}

function arithmetic(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '^':
    case '**': return a ** b;
    default:
      if (b === 0) throw new UsageError('Division by zero');
      return operator === '/' ? a / b : a % b;
  }
}
