import type { AuthChange, Finding, History } from '../history.ts';

const denied = 'permission denied';

/** What may have been so at some moment between two, by what the administrator did and was told. */
function possible(changes: readonly AuthChange[], invoked: number, returned: number): Set<AuthChange['state']> {
  const states = new Set<AuthChange['state']>();
  // Before anyone may have turned authentication on, everything is allowed.
  let last: AuthChange['state'] = 'allowed';
  for (const change of changes) {
    if (change.invoked > returned) break;
    if (change.returned !== undefined && change.returned < invoked) last = change.state;
    else states.add(change.state);
  }
  return states.add(last);
}

/**
 * A write is let through only if its user may have had the permission at some moment of the call, and refused for the lack of it only if
 * she may have lacked it. The history's changes are one administrator's, one after the other; an attempt of unknown outcome has no end.
 */
export function checkAuth(history: History, user: string): Finding[] {
  const findings: Finding[] = [];
  for (const { client, operation, invoked, returned = Infinity, answer, refusal } of history.calls) {
    if (client !== user || (!answer && !refusal?.includes(denied))) continue;
    const needed = answer ? 'allowed' : 'forbidden';
    if (possible(history.auth, invoked, returned).has(needed)) continue;
    findings.push({ checker: 'auth', message: `${user}'s ${JSON.stringify(operation)} at ${invoked} was ${answer ? `let through at revision ${answer.revision}` : 'refused'}, though it was ${answer ? 'forbidden' : 'allowed'} all the while` });
  }
  return findings;
}
