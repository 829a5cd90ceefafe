import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let node: TestNode;
let pod: TestPod;

beforeAll(async () => {
  node = await testNode();
  pod = await node.runPod({ name: 'shell', image: 'busybox', command: ['sleep', '3600'], envs: [{ key: 'GREETING', value: 'hello world' }] });
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

/** Script, standard output, exit code (0), standard error. */
type Case = readonly [script: string, stdout: string, code?: number, stderr?: string];

const cases: Readonly<Record<string, readonly Case[]>> = {
  'words and quotes': [
    ['echo hello', 'hello\n'],
    ['echo "a  b" \'c  $d\' e\\ f', 'a  b c  $d e f\n'],
    ['echo a"b"\'c\'d', 'abcd\n'],
    ['echo "$GREETING" $GREETING', 'hello world hello world\n'],
    ['echo "quote \\" dollar \\$x back \\\\ tick \\`"', 'quote " dollar $x back \\ tick `\n'],
    ['printf "[%s]" "" a ""', '[][a][]'],
    ["echo $'a\\tb'", 'a\tb\n'],
    ['echo one # comment', 'one\n'],
    ['echo a\\\nb', 'ab\n'],
    ['echo -n x; echo -e "a\\tb\\n\\0101"', 'xa\tb\nA\n'],
  ],
  'parameters': [
    ['x=5; echo $x ${x}y "${x}"', '5 5y 5\n'],
    ['echo ${u:-def} ${u-d2} "${u:-a b}"', 'def d2 a b\n'],
    ['u=; echo [${u:-x}] [${u-x}] [${u:+y}] [${u+y}]', '[x] [] [] [y]\n'],
    ['echo ${u:=set} $u', 'set set\n'],
    ['echo ${u:?is missing}; echo no', '', 2, 'sh: u: is missing\n'],
    ['x=hello; echo ${#x}', '5\n'],
    ['p=/usr/local/bin; echo ${p##*/} ${p#*/} ${p%/*} ${p%%/*}.', 'bin usr/local/bin /usr/local .\n'],
    ['f=archive.tar.gz; echo ${f%.*} ${f%%.*} ${f#*.} ${f##*.}', 'archive.tar archive tar.gz gz\n'],
    ['x=banana; echo ${x/an/AN} ${x//an/AN} ${x:2} ${x:1:3}', 'bANana bANANa nana ana\n'],
    ['set -- a "b c" d; echo $# $1 $2; for i in "$@"; do echo "[$i]"; done', '3 a b c\n[a]\n[b c]\n[d]\n'],
    ['set -- a b c; shift; echo $*; IFS=,; echo "$*"', 'b c\nb,c\n'],
    ['set --; for i in "$@"; do echo no; done; echo $#', '0\n'],
    ['echo $?; false; echo $?', '0\n1\n'],
    ['x="a b  c"; for w in $x; do echo $w; done', 'a\nb\nc\n'],
    ['IFS=:; x=a:b::c; for w in $x; do echo "[$w]"; done', '[a]\n[b]\n[]\n[c]\n'],
    ['x=1 y=2; echo $x$y', '12\n'],
    ['x=out; x=in env | grep ^x=; echo $x', 'x=in\nout\n'],
    ['unset GREETING; echo "[$GREETING]"', '[]\n'],
    ['readonly r=1; r=2; echo no', '', 2, 'sh: r: is read only\n'],
    ['set -u; echo $nope; echo no', '', 2, 'sh: nope: parameter not set\n'],
    ['echo ~ ~root/x', '/root /root/x\n'],
  ],
  'arithmetic': [
    ['echo $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((7%3)) $((-7/2))', '7 9 3 1 -3\n'],
    ['x=5; echo $((x*2)) $(($x+1)) $((x>3)) $((x==5 && x<10))', '10 6 1 1\n'],
    ['i=0; i=$((i+1)); echo $((i++)) $i $((++i)) $i', '1 2 3 3\n'],
    ['echo $((1<<4)) $((0xff)) $((010)) $((5&3)) $((5|3)) $((5^3)) $((~0)) $((!0))', '16 255 8 1 7 6 -1 1\n'],
    ['echo $((1 ? 10 : 20)) $((x = 4, x + 1)) $x', '10 5 4\n'],
    ['echo $((1/0))', '', 2, 'sh: divide by zero\n'],
    ['echo $(( $(echo 2) + 3 ))', '5\n'],
  ],
  'substitution': [
    ['echo $(echo a; echo b)', 'a b\n'],
    ['echo "$(echo a; echo b)"', 'a\nb\n'],
    ['echo `echo x` "`echo y z`"', 'x y z\n'],
    ['echo $(echo $(echo deep))', 'deep\n'],
    ['x=$(false); echo $?; x=$(exit 7); echo $?', '1\n7\n'],
    ['x=1; (x=2; echo $x); echo $x', '2\n1\n'],
    ['echo "$(cat <<EOF\nin $((1+1))\nEOF\n)"', 'in 2\n'],
    ['x=$(printf "a\\n\\n"); echo "[$x]"', '[a]\n'],
  ],
  'lists, pipes and status': [
    ['true && echo yes || echo no', 'yes\n'],
    ['false && echo yes || echo no', 'no\n'],
    ['false; echo $?; ! false; echo $?; ! true; echo $?', '1\n0\n1\n'],
    ['echo abc | cat | cat', 'abc\n'],
    ['false | true; echo $?; true | false; echo $?', '0\n1\n'],
    ['set -o pipefail; false | true; echo $?', '1\n'],
    ['exit 3', '', 3],
    ['(exit 4); echo $?', '4\n'],
    ['nosuchcommand; echo $?', '127\n', 0, 'sh: nosuchcommand: not found\n'],
    ['/etc/passwd; echo $?', '126\n', 0, 'sh: /etc/passwd: Permission denied\n'],
    ['yes | head -n 2', 'y\ny\n'],
    ['{ echo a; echo b; } | wc -l', '2\n'],
    ['echo x | while read l; do echo "got $l"; done', 'got x\n'],
    ['sleep 0 & wait; echo done', 'done\n'],
    ['(sleep 0.01; exit 5) & wait $!; echo $?', '5\n'],
    ['sleep 100 & kill $!; wait $!; echo $?', '143\n'],
    ['sh -c "kill -9 $$" ; echo no', '', 137],
  ],
  'redirections': [
    ['echo a > /tmp/r1; echo b >> /tmp/r1; cat < /tmp/r1', 'a\nb\n'],
    ['ls /nonexistent 2>/dev/null; echo $?', '1\n'],
    ['echo err >&2', '', 0, 'err\n'],
    ['(echo out; echo err >&2) 2>&1 | sort', 'err\nout\n'],
    ['echo lost > /dev/null; cat /dev/null', ''],
    ['cat <<EOF\nhi $((1+1)) $GREETING\n\\$x\nEOF', 'hi 2 hello world\n$x\n'],
    ["cat <<'EOF'\nhi $x `y`\nEOF", 'hi $x `y`\n'],
    ['cat <<-EOF\n\tindented\n\tEOF', 'indented\n'],
    ['cat <<A; cat <<B\na\nA\nb\nB', 'a\nb\n'],
    ['cat <<< "here $((2*2))"', 'here 4\n'],
    ['echo x > /nodir/f; echo $?', '1\n', 0, "sh: can't create /nodir/f: nonexistent directory\n"],
    ['cat < /nofile; echo $?', '1\n', 0, "sh: can't open /nofile: no such file\n"],
    ['exec 3>/tmp/fd3; echo three >&3; exec 3>&-; cat /tmp/fd3', 'three\n'],
    ['echo in > /tmp/in; exec < /tmp/in; read x; echo "<$x>"', '<in>\n'],
    ['{ echo a; echo b >&2; } > /tmp/o 2>/tmp/e; cat /tmp/e /tmp/o', 'b\na\n'],
    ['echo both &> /tmp/both; cat /tmp/both', 'both\n'],
    ['for i in 1 2; do echo $i; done > /tmp/loop; cat /tmp/loop', '1\n2\n'],
    ['echo to > /dev/stderr', '', 0, 'to\n'],
  ],
  'compound commands': [
    ['if true; then echo a; else echo b; fi', 'a\n'],
    ['if false; then echo a; elif [ 1 = 1 ]; then echo b; else echo c; fi', 'b\n'],
    ['for i in 1 2 3; do echo $i; done', '1\n2\n3\n'],
    ['for i in $(seq 3); do [ $i = 2 ] && continue; echo $i; done', '1\n3\n'],
    ['i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done', '0\n1\n2\n'],
    ['i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i', '2\n'],
    ['while true; do while true; do break 2; done; echo no; done; echo out', 'out\n'],
    ['case abc in a*) echo star;; *) echo other;; esac', 'star\n'],
    ['case "x y" in "x y") echo exact;; esac', 'exact\n'],
    ['case b in a|b) echo ab;; esac; case z in [a-m]) echo low;; [n-z]) echo high;; esac', 'ab\nhigh\n'],
    ['case no in yes) ;; esac; echo $?', '0\n'],
    ['f() { echo "f $1 $#"; return 3; }; f a b; echo $?', 'f a 2\n3\n'],
    ['f() { local v=in; echo $v; }; v=out; f; echo $v', 'in\nout\n'],
    ['fact() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fact $(($1-1))) )); fi; }; fact 5', '120\n'],
    ['function g { echo g; }; g', 'g\n'],
    ['{ echo a; }; ( echo b )', 'a\nb\n'],
    ['if ! false; then echo neg; fi', 'neg\n'],
  ],
  'test': [
    ['[ a = a ] && [ a != b ] && [ -n x ] && [ -z "" ] && echo ok', 'ok\n'],
    ['[ 2 -gt 1 -a 1 -lt 2 ] && [ 1 -eq 1 -o 1 -eq 2 ] && echo ok', 'ok\n'],
    ['[ -f /etc/passwd ] && [ -d /etc ] && [ ! -e /nope ] && [ -x /bin/sh ] && [ -L /bin/sh ] && echo ok', 'ok\n'],
    ['test "(" = "(" ; echo $?; [ ! x ]; echo $?', '0\n1\n'],
    ['[ 1 -eq x ]; echo $?', '2\n', 0, 'sh: x: bad number\n'],
    ['[[ a == a && b != c ]] && echo ok', 'ok\n'],
  ],
  'globs': [
    ['mkdir -p /tmp/g; cd /tmp/g; touch a.txt b.txt c.md .hidden; echo *.txt; echo *; echo .h*; echo *.none; echo "*.txt"', 'a.txt b.txt\na.txt b.txt c.md\n.hidden\n*.none\n*.txt\n'],
    ['cd /tmp/g; echo [ab].txt ?.md /tmp/g/[!a].txt', 'a.txt b.txt c.md /tmp/g/b.txt\n'],
    ['cd /tmp/g; set -f; echo *.txt', '*.txt\n'],
    ['cd /tmp/g; x="*.md"; echo $x "$x"', 'c.md *.md\n'],
  ],
  'options, traps and eval': [
    ['set -e; false; echo no', '', 1],
    ['set -e; if false; then :; fi; false || true; ! true; echo yes', 'yes\n'],
    ['set -e; x=$(false); echo no', '', 1],
    ['set -x; echo a "b c"', 'a b c\n', 0, "+ echo a 'b c'\n"],
    ['trap "echo bye" EXIT; echo hi', 'hi\nbye\n'],
    ['trap "echo bye; exit 9" EXIT; exit 3', 'bye\n', 9],
    ['trap "echo got" USR1; kill -USR1 $$; echo after', 'got\nafter\n'],
    ['trap "" TERM; kill $$; echo alive', 'alive\n'],
    ['eval "x=1; echo \\$x"', '1\n'],
    ['echo "echo sourced \\$1" > /tmp/s.sh; set -- arg; . /tmp/s.sh', 'sourced arg\n'],
    ['echo "echo script \\$0 \\$1" > /tmp/x.sh; chmod +x /tmp/x.sh; /tmp/x.sh one', 'script /tmp/x.sh one\n'],
    ['printf "#!/bin/sh\\necho bang $#\\n" > /tmp/y.sh; chmod 755 /tmp/y.sh; /tmp/y.sh', 'bang 0\n'],
    ['command -v cat echo nosuch; echo $?', '/bin/cat\necho\n127\n'],
    ['type cat', 'cat is /bin/cat\n'],
    ['printf "a b c\\n" | { read x y; echo "$y-$x"; }', 'b c-a\n'],
    ['printf "1:2:3\\n" | { IFS=: read a b; echo $a $b; }', '1 2:3\n'],
    ['printf "a\\nb\\nc" | while read -r l || [ -n "$l" ]; do echo "<$l>"; done', '<a>\n<b>\n<c>\n'],
    ['while getopts "ab:" o -a -b val rest; do echo "$o $OPTARG"; done', 'a \nb val\n'],
    ['cd /tmp && pwd && cd - && pwd', '/tmp\n/\n/\n'],
    ['cd /nope; echo $?', '1\n', 0, "sh: cd: can't cd to /nope: No such file or directory\n"],
    ['exec echo replaced; echo no', 'replaced\n'],
    ['sh -c \'echo $0 $1 $#\' name arg', 'name arg 1\n'],
    ['echo "echo from stdin; exit 6" | sh; echo $?', 'from stdin\n6\n'],
  ],
  'syntax errors': [
    ['if true', '', 2, 'sh: syntax error: unexpected end of file (expecting "then")\n'],
    ['echo "open', '', 2, 'sh: syntax error: unterminated quoted string\n'],
    ['done', '', 2, 'sh: syntax error: unexpected "done"\n'],
    ['echo )', '', 2, 'sh: syntax error: unexpected ")"\n'],
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
