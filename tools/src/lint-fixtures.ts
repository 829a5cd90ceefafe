/**
 * Proves that lint refuses what it must: the boundary rule skips silently when ESLint finds no project graph, so every
 * run of the checks lints code that has to fail. Run it under nx (`nx run orrery:lint`), which provides the graph.
 */
import { ESLint } from 'eslint';
import { mustFail, mustPass } from '../fixtures/boundaries.ts';

const eslint = new ESLint();

async function rulesBroken(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: path });
  return (result?.messages ?? []).map((message) => message.ruleId ?? `fatal: ${message.message}`);
}

const problems: string[] = [];
for (const [path, code, rule] of mustFail) {
  if (!(await rulesBroken(path, code)).includes(rule)) problems.push(`${path}: ${rule} did not refuse\n${code}`);
}
for (const [path, code] of mustPass) {
  const broken = await rulesBroken(path, code);
  if (broken.length) problems.push(`${path}: ${broken.join(', ')} refused\n${code}`);
}
process.stdout.write(`lint fixtures: ${mustFail.length + mustPass.length - problems.length} of ${mustFail.length + mustPass.length} as expected\n`);
if (problems.length) {
  process.stderr.write(problems.join('\n'));
  process.exitCode = 1;
}
