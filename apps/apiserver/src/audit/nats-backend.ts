import type { Bus } from '@orrery/bus';
import type { AuditBackend, Recorded } from './backend.ts';

/** Who can read the bus could read the secrets. */
const secretResources = new Set(['secrets', 'serviceaccounts/token', 'tokenreviews', 'tokenrequests']);

function holdsSecrets({ event }: Recorded): boolean {
  const { resource = '', subresource } = event.objectRef ?? {};
  return secretResources.has(subresource ? `${resource}/${subresource}` : resource);
}

/** Room for the subject and the headers of a message. */
const overheadBytes = 1024;

/** Publishes one message an event. Bodies with secrets, and those too big for the bus, are left out, and the event says so. */
export function natsBackend(bus: Bus, subject: string): AuditBackend {
  const prepared = (recorded: Recorded): Recorded => {
    const { requestObject, responseObject } = recorded.event;
    if (requestObject === undefined && responseObject === undefined) return recorded;
    return holdsSecrets(recorded) || recorded.json.length > bus.maxPayload() - overheadBytes ? recorded.truncated() : recorded;
  };
  return {
    name: 'nats',
    process(events) {
      if (!bus.connected()) throw new Error('NATS is away');
      for (const recorded of events) {
        const { json, event } = prepared(recorded);
        bus.publish(subject, json, { 'audit-id': event.auditID, stage: event.stage });
      }
    },
    stop: async () => undefined,
  };
}
