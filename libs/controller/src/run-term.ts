import { type ApiClient, controllerEventPace, createEventRecorder, createInformerFactory } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { AnyController } from './definition.ts';
import { runController } from './run-controller.ts';

/** Controllers at work, with caches of their own: what a replica has while it leads. */
export interface Term {
  /** Waits for what is being worked on, and for Events on their way. */
  stop(): Promise<void>;
}

/** Fills the caches, then starts the controllers. Rejects, with everything stopped, when `signal` ends the wait. */
export async function runTerm(env: Env, { api, controllers, signal }: { api: ApiClient; controllers: readonly AnyController[]; signal?: AbortSignal | undefined }): Promise<Term> {
  const informers = createInformerFactory({ api, env });
  const running = controllers.map((definition) => {
    const events = createEventRecorder(env, { api, component: definition.eventSource ?? definition.name, pace: controllerEventPace });
    return { controller: runController(definition, { env, api, informers, events }), events };
  });
  const stop = async (): Promise<void> => {
    await Promise.all(running.map(({ controller }) => controller.stop()));
    await Promise.all(running.map(({ events }) => events.flush()));
    informers.stop();
  };
  informers.start();
  try {
    await informers.whenSynced(signal);
  } catch (error) {
    await stop();
    throw error;
  }
  for (const { controller } of running) controller.start();
  return { stop };
}
