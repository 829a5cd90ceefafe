import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../../testing/test-node.ts';

let node: TestNode;
let client: TestPod;
let server: TestPod;

const up = (ip: string, port = 6379) => client.sh(`until nc -z ${ip} ${port} 2>/dev/null; do sleep 0.01; done`);

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image: 'redis:alpine', command: ['sleep', '3600'] });
  server = await node.runPod({ name: 'server', image: 'redis:7' });
  await up(server.ip);
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

/** Commands and the replies redis-cli shows on a terminal. */
const transcripts: Readonly<Record<string, readonly (readonly [command: string, reply: string])[]>> = {
  strings: [
    ['SET k v', 'OK'], ['GET k', '"v"'], ['get none', '(nil)'], ['SET k w NX', '(nil)'], ['SET k w XX GET', '"v"'], ['APPEND k xyz', '(integer) 4'], ['STRLEN k', '(integer) 4'], ['GETRANGE k -3 -1', '"xyz"'],
    ['MSET a 1 b 2', 'OK'], ['MGET a b c', '1) "1"\n2) "2"\n3) (nil)'], ['INCR n', '(integer) 1'], ['INCRBY n 9', '(integer) 10'], ['DECRBY n 3', '(integer) 7'], ['INCR k', '(error) ERR value is not an integer or out of range'], ['INCRBYFLOAT n 0.5', '"7.5"'],
    ['SET k', "(error) ERR wrong number of arguments for 'set' command"], ['SET k v BAD', '(error) ERR syntax error'], ['SET q "a b\\n\\x01"', 'OK'], ['GET q', '"a b\\n\\x01"'],
    ['NOPE x y', "(error) ERR unknown command 'NOPE', with args beginning with: 'x' 'y' "],
  ],
  keys: [
    ['FLUSHALL', 'OK'], ['SET k v EX 100', 'OK'], ['TTL k', '(integer) 100'], ['PERSIST k', '(integer) 1'], ['TTL k', '(integer) -1'], ['TTL none', '(integer) -2'], ['EXPIRE k 50', '(integer) 1'], ['EXPIRE k 10 GT', '(integer) 0'], ['TYPE k', 'string'], ['EXISTS k none k', '(integer) 2'],
    ['RENAME k l', 'OK'], ['KEYS *', '1) "l"'], ['SCAN 0 MATCH l*', '1) "0"\n2) 1) "l"'], ['DBSIZE', '(integer) 1'], ['DEL l none', '(integer) 1'], ['EXPIRE none 1', '(integer) 0'], ['SET k v EX 0', "(error) ERR invalid expire time in 'set' command"],
  ],
  collections: [
    ['RPUSH l a b c', '(integer) 3'], ['LPUSH l z', '(integer) 4'], ['LRANGE l 0 -1', '1) "z"\n2) "a"\n3) "b"\n4) "c"'], ['LPOP l', '"z"'], ['RPOP l 2', '1) "c"\n2) "b"'], ['LLEN l', '(integer) 1'], ['GET l', '(error) WRONGTYPE Operation against a key holding the wrong kind of value'], ['LPOP l', '"a"'], ['EXISTS l', '(integer) 0'], ['LRANGE l 0 -1', '(empty array)'],
    ['HSET h f 1 g 2', '(integer) 2'], ['HGETALL h', '1) "f"\n2) "1"\n3) "g"\n4) "2"'], ['HGET h x', '(nil)'], ['HDEL h f', '(integer) 1'], ['HINCRBY h g 5', '(integer) 7'],
    ['SADD s a b a', '(integer) 2'], ['SISMEMBER s a', '(integer) 1'], ['SREM s a', '(integer) 1'], ['SMEMBERS s', '1) "b"'],
    ['ZADD z 2 two 1 one 3 three', '(integer) 3'], ['ZRANGE z 0 -1 WITHSCORES', '1) "one"\n2) "1"\n3) "two"\n4) "2"\n5) "three"\n6) "3"'], ['ZRANGEBYSCORE z (1 +inf LIMIT 0 1', '1) "two"'], ['ZSCORE z two', '"2"'], ['ZINCRBY z 5 one', '"6"'], ['ZRANK z one', '(integer) 2'], ['ZREVRANGE z 0 0', '1) "one"'],
  ],
  'transactions and sessions': [
    ['MULTI', 'OK'], ['SET t 1', 'QUEUED'], ['INCR t', 'QUEUED'], ['EXEC', '1) OK\n2) (integer) 2'], ['EXEC', '(error) ERR EXEC without MULTI'], ['MULTI', 'OK'], ['NOPE', "(error) ERR unknown command 'NOPE', with args beginning with: "], ['EXEC', '(error) EXECABORT Transaction discarded because of previous errors.'],
    ['SELECT 1', 'OK'], ['GET t', '(nil)'], ['SELECT 99', '(error) ERR DB index is out of range'], ['CONFIG GET port', '1) "port"\n2) "6379"'], ['HELLO 3', '(error) NOPROTO unsupported protocol version'], ['AUTH x', '(error) ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'], ['ECHO hi', '"hi"'], ['PING', 'PONG'],
    ['BLPOP none 0.01', '(nil)'], ['SAVE', '(error) ERR this emulation writes no RDB snapshots; data is kept by --appendonly yes'],
  ],
};

for (const [topic, rows] of Object.entries(transcripts)) {
  test(topic, async () => {
    const script = rows.map(([command]) => command).join('\n');
    const { stdout } = await client.sh(`redis-cli --no-raw -h ${server.ip} <<'EOF'\n${script}\nEOF`);
    expect(stdout).toBe(rows.map(([, reply]) => `${reply}\n`).join(''));
  });
}

test('redis-cli: raw output, exit codes, errors', async () => {
  expect(await client.exec('redis-cli', '-h', server.ip, 'ping')).toEqual({ code: 0, stdout: 'PONG\n', stderr: '' });
  expect(await client.exec('redis-cli', '-h', server.ip, 'set', 'u', 'grüße')).toMatchObject({ code: 0, stdout: 'OK\n' });
  expect(await client.exec('redis-cli', '-h', server.ip, 'get', 'u')).toMatchObject({ stdout: 'grüße\n' });
  expect(await client.exec('redis-cli', '-h', server.ip, 'strlen', 'u')).toMatchObject({ stdout: '7\n' });
  expect(await client.exec('redis-cli', 'ping')).toEqual({ code: 1, stdout: '', stderr: 'Could not connect to Redis at 127.0.0.1:6379: Connection refused\n' });
  expect(await client.exec('redis-cli', '-e', '-h', server.ip, 'incr', 'u')).toMatchObject({ code: 1 });
  expect(await client.sh(`printf 'PING\\r\\nset i 5\\r\\nget i\\r\\n*2\\r\\n$4\\r\\nECHO\\r\\n$2\\r\\nhi\\r\\nQUIT\\r\\n' | nc ${server.ip} 6379`)).toMatchObject({ stdout: '+PONG\r\n+OK\r\n$1\r\n5\r\n$2\r\nhi\r\n+OK\r\n' });
});

test('publish, subscribe and blocking pops', async () => {
  const heard = client.sh(`timeout 5 redis-cli -h ${server.ip} subscribe news & sub=$!; until [ "$(redis-cli -h ${server.ip} publish news hello)" = 1 ]; do sleep 0.01; done; sleep 0.05; kill $sub`);
  expect((await heard).stdout).toBe('subscribe\nnews\n1\nmessage\nnews\nhello\n');
  const popped = client.sh(`redis-cli -h ${server.ip} blpop jobs 5`);
  await client.sh(`sleep 0.02; redis-cli -h ${server.ip} rpush jobs work`);
  expect((await popped).stdout).toBe('jobs\nwork\n');
});

test('passwords, ports, start and end', async () => {
  const locked = await node.runPod({ name: 'locked', image: 'redis:7', args: ['--requirepass', 'secret', '--port', '7000'] });
  await up(locked.ip, 7000);
  expect(await client.exec('redis-cli', '-h', locked.ip, '-p', '7000', 'get', 'x')).toMatchObject({ code: 0, stdout: 'NOAUTH Authentication required.\n\n' });
  expect(await client.exec('redis-cli', '-h', locked.ip, '-p', '7000', '-a', 'secret', '--no-auth-warning', 'set', 'x', '1')).toEqual({ code: 0, stdout: 'OK\n', stderr: '' });
  expect((await client.exec('redis-cli', '-h', locked.ip, '-p', '7000', '-a', 'wrong', 'ping')).stderr).toContain('AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n');
  await node.runtime.stopContainer({ containerId: locked.container, timeout: 5n });
  expect(await node.log(locked.container)).toMatch(/^1:C \d\d \w{3} \d{4} [\d:.]+ \* oO0OoO0OoO0Oo Redis is starting[^]*Ready to accept connections tcp\n[^]*Received SIGTERM scheduling shutdown\.\.\.\n[^]*bye bye\.\.\.\n$/);
  expect((await node.runtime.containerStatus({ containerId: locked.container })).status?.exitCode).toBe(0);
});

test('the append-only file outlives the container', async () => {
  const start = async (name: string): Promise<TestPod> => {
    const pod = await node.runPod({ name, image: 'redis:7', args: ['--appendonly', 'yes'], mounts: [{ hostPath: '/vol/redis', containerPath: '/data' }] });
    await up(pod.ip);
    return pod;
  };
  const first = await start('first');
  await first.sh('redis-cli set kept yes; redis-cli set gone x px 1; redis-cli rpush list a b; redis-cli -n 3 hset h f v; redis-cli del none; sleep 0.01; redis-cli lpop list');
  await node.runtime.stopContainer({ containerId: first.container, timeout: 5n });
  const second = await start('second');
  expect((await second.sh('redis-cli get kept; redis-cli exists gone; redis-cli lrange list 0 -1; redis-cli -n 3 hgetall h')).stdout).toBe('yes\n0\nb\nf\nv\n');
  expect(await node.log(second.container)).toContain('DB loaded from append only file');
});
