/** Turns of the event loop without anything under way after which nothing more is expected. */
const quietTurns = 3;
/** Nothing that belongs to the moment takes longer. */
const mostMs = 200;

/** Work of the thread pool: files that are written or read, keys and hashes. */
const work = new Set(['FSReqCallback', 'FSReqPromise', 'FileHandle', 'HashRequest', 'KeyPairGenRequest', 'PBKDF2Request', 'RandomBytesRequest', 'SignRequest', 'WriteWrap', 'ShutdownWrap', 'ZLIB']);

/** How often something has been left to the end of a turn. */
let deferred = 0;

/** Runs `run` when everything that has come in so far is looked at; until then the event loop has not settled. */
export function atEndOfTurn(run: () => void): void {
  deferred++;
  setImmediate(run);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Resolves when this process has nothing under way but waiting: writes are on disk, whoever was woken has had its turn. */
export async function eventLoopSettled(): Promise<void> {
  const began = performance.now();
  for (let quiet = 0; quiet < quietTurns && performance.now() - began < mostMs; ) {
    const before = deferred;
    await turn();
    quiet = deferred > before || process.getActiveResourcesInfo().some((resource) => work.has(resource)) ? 0 : quiet + 1;
  }
}
