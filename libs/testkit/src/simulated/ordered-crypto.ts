/**
 * Hashes and signatures are made by threads of the platform, which end in any order; a simulation needs one order. While a simulation lets its world
 * come to rest, what is asked of WebCrypto is answered in the order in which it was asked, one answer at a time.
 */
const operations = ['digest', 'sign', 'verify', 'importKey', 'exportKey', 'generateKey', 'encrypt', 'decrypt', 'deriveBits'] as const;

interface Answer {
  readonly made: Promise<unknown>;
  readonly give: () => void;
}

const queue: Answer[] = [];
let simulating = 0;
let installed = false;

function install(): void {
  installed = true;
  const { subtle } = globalThis.crypto;
  for (const name of operations) {
    const original = (subtle[name] as (...args: unknown[]) => Promise<unknown>).bind(subtle);
    Object.defineProperty(subtle, name, {
      configurable: true,
      value: (...args: unknown[]): Promise<unknown> => {
        const made = original(...args);
        if (simulating === 0) return made;
        return new Promise((resolve, reject) => queue.push({ made, give: () => void made.then(resolve, reject) }));
      },
    });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Resolves when everything that was begun waits for the clock. */
export async function atRest(): Promise<void> {
  await turn();
  for (let next = queue.shift(); next; next = queue.shift()) {
    await next.made.then(
      () => undefined,
      () => undefined,
    );
    next.give();
    await turn();
  }
}

/** Does something in a simulation, all of it in one order. What it begins must come to rest by `atRest`. */
export async function ordered<T>(act: () => Promise<T>): Promise<T> {
  if (!installed) install();
  simulating++;
  try {
    return await act();
  } finally {
    simulating--;
  }
}
