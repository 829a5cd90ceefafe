import { FlowSchemas } from '@orrery/api';
import type { FlowSchema, FlowSchemaCondition } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import { type Clock, rfc3339 } from '@orrery/runtime';

export const statusManager = 'api-priority-and-fairness-config-consumer-v1';

/** Writes to one schema within a minute; more is a fight with another server. */
const maxWritesPerMinute = 6;
const minuteMs = 60_000;

/** The condition that a schema should have, or undefined when it has it. */
export function danglingCondition(schema: FlowSchema, levels: ReadonlySet<string>): Omit<FlowSchemaCondition, 'lastTransitionTime'> | undefined {
  const name = schema.spec?.priorityLevelConfiguration?.name ?? '';
  const found = levels.has(name);
  const status = found ? 'False' : 'True';
  const reason = found ? 'Found' : 'NotFound';
  const message = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)} ${found ? 'and it exists' : 'but there is no such object'}`;
  const now = schema.status?.conditions?.find(({ type }) => type === 'Dangling');
  if (now && now.status === status && now.reason === reason && now.message === message) return undefined;
  return { type: 'Dangling', status, reason, message };
}

/** Keeps the condition Dangling of flow schemas true. */
export class DanglingWriter {
  private readonly clock: Clock;
  private readonly api: Pick<ApiClient, 'patch'>;
  private readonly writes = new Map<string, number[]>();

  constructor(clock: Clock, api: Pick<ApiClient, 'patch'>) {
    this.clock = clock;
    this.api = api;
  }

  /** Writes what differs. False: some were written too often of late; look again later. Throws what the API throws. */
  async sync(schemas: readonly FlowSchema[], levels: ReadonlySet<string>): Promise<boolean> {
    let complete = true;
    for (const schema of schemas) {
      const condition = danglingCondition(schema, levels);
      const name = schema.metadata?.name ?? '';
      if (!condition) continue;
      if (!this.mayWrite(name)) complete = false;
      else await this.write(name, { ...condition, lastTransitionTime: rfc3339(this.clock.now()) });
    }
    return complete;
  }

  private mayWrite(name: string): boolean {
    const now = this.clock.monotonic();
    const recent = (this.writes.get(name) ?? []).filter((at) => now - at < minuteMs);
    if (recent.length < maxWritesPerMinute) recent.push(now);
    else return false;
    this.writes.set(name, recent);
    return true;
  }

  private async write(name: string, condition: FlowSchemaCondition): Promise<void> {
    const applied = { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema', metadata: { name }, status: { conditions: [condition] } };
    try {
      await this.api.patch(FlowSchemas, { name }, applied, { type: 'application/apply-patch+yaml', subresource: 'status', fieldManager: statusManager, force: true });
    } catch (error) {
      // Deleted meanwhile: nothing is left to say.
      if (!isNotFound(error)) throw error;
    }
  }
}
