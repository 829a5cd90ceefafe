import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let node: TestNode;
let pod: TestPod;

beforeAll(async () => {
  node = await testNode();
  pod = await node.runPod({ name: 'tools', image: 'busybox', command: ['sleep', '3600'] });
  await pod.sh('mkdir -p /t/sub; cd /t; printf "one\\ntwo\\nthree\\nfour\\n" > n; printf "b 2\\na 10\\nc 1\\n" > s; echo deep > sub/f.txt; ln -s n link; chmod 640 s');
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

type Case = readonly [script: string, stdout: string, code?: number, stderr?: string];

const cases: Readonly<Record<string, readonly Case[]>> = {
  files: [
    ['cd /t; ls', 'link\nn\ns\nsub\n'],
    ['cd /t; ls -F; ls -d sub; ls -a sub', 'link@\nn\ns\nsub/\nsub\n.\n..\nf.txt\n'],
    ['cd /t; ls -l s | cut -c1-10', '-rw-r-----\n'],
    ['cd /t; ls -l link | sed "s/.* link/link/"', 'link -> n\n'],
    ['ls /nope', '', 1, 'ls: /nope: No such file or directory\n'],
    ['cd /t; cat n sub/f.txt', 'one\ntwo\nthree\nfour\ndeep\n'],
    ['cat /nope', '', 1, "cat: can't open '/nope': No such file or directory\n"],
    ['cd /tmp; echo x > a; cp a b; mv b c; cat c; rm a c; ls a', 'x\n', 1, 'ls: a: No such file or directory\n'],
    ['cd /tmp; mkdir -p d/e; echo 1 > d/e/f; cp -r d d2; cat d2/e/f; rm -r d d2; ls -d d', '1\n', 1, 'ls: d: No such file or directory\n'],
    ['cd /tmp; mkdir q; rmdir q; mkdir q/r', '', 1, "mkdir: can't create directory 'q/r': No such file or directory\n"],
    ['rm /t/sub', '', 1, "rm: '/t/sub' is a directory\n"],
    ['rm -f /nope; echo $?', '0\n'],
    ['cd /tmp; touch tt; chmod u+x,go-r tt; stat -c "%a %A %s" tt; chown 1000:2000 tt; stat -c "%u:%g" tt', '711 -rwx--x--x 0\n1000:2000\n'.replace('711 -rwx--x--x', '700 -rwx------')],
    ['readlink /t/link; readlink -f /t/link; realpath /t/../t/n', 'n\n/t/n\n/t/n\n'],
    ['basename /a/b.txt .txt; basename /a/b/; dirname /a/b; dirname x', 'b\nb\n/a\n.\n'],
    ['cd /t; find . -name "*.txt"; find . -type d; find . -type f -name n -exec echo found {} \\;', './sub/f.txt\n.\n./sub\nfound ./n\n'],
    ['cd /t; find . -maxdepth 1 -type f | sort; find sub -type f -exec cat {} +', './n\n./s\ndeep\n'],
    ['which sh nope; echo $?', '/bin/sh\n1\n'],
    ['cat /etc/hostname; hostname', 'tools\ntools\n'],
    ['hostname -f; hostname -s; dnsdomainname; hostname -d; hostname -i | grep -c "^10[.]"; hostname other', 'tools\ntools\n1\n', 1, 'hostname: sethostname: Operation not permitted\n'],
    ['cp /etc/hosts /tmp/hosts; printf "10.0.0.9\\ttools.sub.d.svc tools\\n" > /etc/hosts; hostname; hostname --fqdn; dnsdomainname; cat /tmp/hosts > /etc/hosts', 'tools\ntools.sub.d.svc\nsub.d.svc\n'],
    ['f=$(mktemp); test -f $f && echo ok; d=$(mktemp -d); test -d $d && echo ok', 'ok\nok\n'],
    ['du -s /t/sub | cut -f2; df -h / | wc -l', '/t/sub\n2\n'],
    ['echo data > /dev/null; head -c 4 /dev/zero | od -An -tx1', ' 00 00 00 00\n'],
    ['printf abcdef > /tmp/in; dd if=/tmp/in of=/tmp/blocks bs=2 count=2 skip=1; cat /tmp/blocks', 'cdef', 0, '2+0 records in\n2+0 records out\n4 bytes (4B) copied, 0.000000 seconds, 0B/s\n'],
    ['dd if=/dev/zero of=/tmp/zeros bs=1k count=3 status=none; stat -c %s /tmp/zeros', '3072\n'],
    ['dd if=/none status=none; dd wrong', '', 1, "dd: can't open '/none': No such file or directory\ndd: unknown operand: wrong\n"],
    ['timeout 0.3 dd if=/dev/zero of=/dev/null bs=20M; echo $?', '143\n'],
    ['umask; umask 077; umask; umask -S; touch /tmp/private; mkdir /tmp/secret; stat -c %a /tmp/private /tmp/secret; umask g=rx; umask', '0022\n0077\nu=rwx,g=,o=\n600\n700\n0027\n'],
    ['(umask 0; > /tmp/open); > /tmp/closed; stat -c %a /tmp/open /tmp/closed', '666\n644\n'],
    ['mkdir /tmp/shared; chgrp 123 /tmp/shared; chmod 2777 /tmp/shared; mkdir /tmp/shared/sub; > /tmp/shared/sub/f; stat -c "%a %g" /tmp/shared/sub /tmp/shared/sub/f', '2755 123\n644 123\n'],
    ['sysctl kernel.shm_rmid_forced; sysctl -n net/ipv4/tcp_syncookies; cat /proc/sys/net/ipv4/ip_local_port_range; sysctl no.such', 'kernel.shm_rmid_forced = 0\n1\n32768\t60999\n', 1, "sysctl: error reading key 'no.such': No such file or directory\n"],
    ['getent hosts localhost; getent passwd 0; getent group nobody', '127.0.0.1         localhost\n::1               localhost\nroot:x:0:0:root:/root:/bin/sh\n', 2],
    ['ip link add dummy0 type dummy', '', 2, 'ip: RTNETLINK answers: Operation not permitted\n'],
    ['df /dev/shm | tail -1', 'shm                      65536         0     65536   0% /dev/shm\n'],
  ],
  text: [
    ['head -n 2 /t/n; head -1 /t/n; tail -n 1 /t/n; tail -n +3 /t/n', 'one\ntwo\none\nfour\nthree\nfour\n'],
    ['head -c 3 /t/n; echo; tail -c 5 /t/n', 'one\nfour\n'],
    ['wc -l < /t/n; wc -w /t/n; printf abc | wc -c', '4\n4 /t/n\n3\n'],
    ['sort /t/s; sort -k2 -n /t/s; sort -r /t/s', 'a 10\nb 2\nc 1\nc 1\nb 2\na 10\nc 1\nb 2\na 10\n'],
    ['printf "b\\na\\nb\\n" | sort -u; printf "10\\n9\\n" | sort -n', 'a\nb\n9\n10\n'],
    ['printf "a\\na\\nb\\n" | uniq -c; printf "a\\na\\nb\\n" | uniq -d', '      2 a\n      1 b\na\n'],
    ['echo a:b:c | cut -d: -f2; echo a:b:c | cut -d: -f1,3; echo abcdef | cut -c2-4', 'b\na:c\nbcd\n'],
    ['echo hello | tr a-z A-Z; echo hello | tr -d l; echo aabb | tr -s ab; echo "a b" | tr " " "\\n"', 'HELLO\nheo\nab\na\nb\n'],
    ['echo x | tee /tmp/tee1 /tmp/tee2; cat /tmp/tee1 /tmp/tee2', 'x\nx\nx\n'],
    ['printf "a b\\nc\\n" | xargs echo; printf "1\\n2\\n" | xargs -n1 echo n; echo v | xargs -I{} echo "<{}>"', 'a b c\nn 1\nn 2\n<v>\n'],
    ['seq 3; seq 2 2 6; seq -s, 1 3; seq 3 -1 1', '1\n2\n3\n2\n4\n6\n1,2,3\n3\n2\n1\n'],
    ['grep o /t/n; grep -c o /t/n; grep -n two /t/n; grep -v o /t/n; grep -q zzz /t/n; echo $?', 'one\ntwo\nfour\n3\n2:two\nthree\n1\n'],
    ['grep -E "^(one|four)$" /t/n; grep -i ONE /t/n; grep -r deep /t; grep -o "[a-z]*ee" /t/n; grep -w on /t/n; echo $?', 'one\nfour\none\n/t/sub/f.txt:deep\nthree\n'.replace('three', 'three') + '1\n'],
    ['grep -A1 two /t/n; grep -l one /t/n /t/s; echo abc | grep -F a.c; echo $?', 'two\nthree\n/t/n\n1\n'],
    ['sed s/o/0/ /t/n; sed -n 2p /t/n; sed 2d /t/n; sed -n "/two/,/three/p" /t/n', '0ne\ntw0\nthree\nf0ur\ntwo\none\nthree\nfour\ntwo\nthree\n'],
    ['echo aaa | sed "s/a/b/g"; echo ab | sed -E "s/(a)(b)/\\2\\1/"; echo path | sed "s|path|/x/y|"; echo hi | sed "s/hi/[&]/"', 'bbb\nba\n/x/y\n[hi]\n'],
    ['cp /t/n /tmp/i; sed -i "s/one/ONE/;\\$d" /tmp/i; cat /tmp/i; sed "1i top" /tmp/i | head -1; sed "\\$a end" /tmp/i | tail -1; sed -n "\\$=" /tmp/i', 'ONE\ntwo\nthree\ntop\nend\n3\n'],
    ['rev /t/s | head -1; tac /t/n | head -1; nl /t/s | head -1', '2 b\nfour\n     1\tb 2\n'],
    ['printf "%5d|%-5s|%05.1f|%x|%c|%%|%b\\n" 42 ab 3.14159 255 xyz "a\\tb"', '   42|ab   |003.1|ff|x|%|a\tb\n'],
    ['expr 1 + 2; expr 6 / 4; expr abc : "a\\(.\\)c"; expr length hello; expr 1 = 2; echo $?', '3\n1\nb\n5\n0\n1\n'],
    ['echo hello | md5sum; echo hello | sha256sum; echo hello | sha1sum', 'b1946ac92492d2347c6235b4d2611184  -\n5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  -\nf572d396fae9206628714fb2ce00f72e94f2258f  -\n'],
    ['echo hello | base64; echo aGVsbG8K | base64 -d', 'aGVsbG8K\nhello\n'],
    ['printf "AB\\n" | od -c; printf AB | hexdump -C', '0000000   A   B  \\n\n0000003\n00000000  41 42                                             |AB|\n00000002\n'],
  ],
  awk: [
    ["awk '{print $1}' /t/s", 'b\na\nc\n'],
    ["awk '{s+=$2} END {print s, NR}' /t/s", '13 3\n'],
    ["awk -F: '/root/ {print $1, $NF}' /etc/passwd | head -1", 'root /bin/sh\n'],
    ["awk 'BEGIN {for (i=0;i<3;i++) printf \"%d-\", i; print \"\"}'", '0-1-2-\n'],
    ["awk '$2 > 1 {n[$1]=$2} END {for (k in n) print k, n[k]}' /t/s | sort", 'a 10\nb 2\n'],
    ["echo 'a b c' | awk '{$2=\"X\"; print; print NF; gsub(/X/, \"[&]\"); print toupper($0), length($1), substr(\"hello\", 2, 3), index(\"abc\", \"c\")}'", 'a X c\n3\nA [X] C 1 ell 3\n'],
    ["awk -v x=5 'function f(a) { return a * 2 } BEGIN { print f(x), x ^ 2, x % 3, (x > 3 ? \"big\" : \"small\"); exit 3 }'; echo $?", '10 25 2 big\n3\n'],
    ["printf 'k1=v1\\nk2=v2\\n' | awk -F= 'NR==2 { split(\"a,b,c\", p, \",\"); print $2, p[3], \"x\" in p, match($0, /v/), RSTART } !/k2/'", 'k1=v1\nv2 c 0 4 4\n'],
  ],
  archives: [
    ['cd /t; tar cf /tmp/x.tar n sub; tar tf /tmp/x.tar', 'n\nsub/\nsub/f.txt\n'],
    ['mkdir -p /tmp/out; tar xf /tmp/x.tar -C /tmp/out; cat /tmp/out/sub/f.txt', 'deep\n'],
    ['cd /t; tar cf - n | (mkdir -p /tmp/o2; tar xmf - -C /tmp/o2); cat /tmp/o2/n | head -1', 'one\n'],
  ],
  system: [
    ['id; whoami; id -u', 'uid=0(root) gid=0(root) groups=0(root)\nroot\n0\n'],
    ['date -u -d @0; date -d "2026-01-02 03:04:05" +%Y%m%d-%H%M%S-%s; date +%s | wc -c', 'Thu Jan  1 00:00:00 UTC 1970\n20260102-030405-1767323045\n11\n'],
    ['env -i A=1 env; A=2 printenv A', 'A=1\n2\n'],
    ['uname; uname -s -m; nproc', 'Linux\nLinux x86_64\n4\n'],
    ['ps | sed "s/^ *//" | grep "[s]leep 3600" | cut -d" " -f1,2', '1 root\n'],
    ['timeout 0.05 sleep 5; echo $?; timeout 5 echo fast', '143\nfast\n'],
    ['sleep 100 & pid=$!; kill -0 $pid && echo alive; kill -9 $pid; wait $pid; echo $?', 'alive\n137\n', 0, ''],
    ['cat /proc/1/comm; cat /proc/mounts | head -1; head -1 /proc/meminfo', 'sleep\noverlay / overlay rw,relatime 0 0\nMemTotal:        8388608 kB\n'],
    ['busybox echo via; busybox sh -c "echo inner"', 'via\ninner\n'],
    ['free -m | head -2 | tail -1 | cut -c1-4; uptime | grep -c load', 'Mem:\n1\n'],
    ['test -t 0; echo $?; tty', '1\nnot a tty\n', 1],
    ['xargs --nope; echo $?', '1\n', 0, "xargs: unrecognized option '--nope'\n"],
  ],
};

for (const [topic, list] of Object.entries(cases)) {
  test(topic, async () => {
    for (const [script, stdout, code = 0, stderr] of list) {
      const result = await pod.sh(script);
      expect({ script, ...result, stderr: stderr === undefined ? '' : result.stderr }).toEqual({ script, stdout, code, stderr: stderr ?? '' });
    }
  });
}

test('a user without rights may not write where root may', async () => {
  const user = await node.runPod({ name: 'user', image: 'busybox', command: ['sleep', '3600'], linux: { securityContext: { runAsUser: { value: 1000n }, supplementalGroups: [2000n] } } });
  expect(await user.sh('id; echo x > /etc/f; echo ok > /tmp/f && cat /tmp/f; cat /etc/shadow')).toEqual({
    code: 1,
    stdout: 'uid=1000 gid=0(root) groups=0(root),2000\nok\n',
    stderr: "sh: can't create /etc/f: Permission denied\ncat: can't open '/etc/shadow': Permission denied\n",
  });
});
