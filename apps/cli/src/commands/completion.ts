import type { Command } from 'commander';
import { ExitCode, UserError } from '../user-error.ts';

interface Words {
  readonly command: string;
  readonly description: string;
  readonly options: readonly string[];
  readonly subcommands: readonly string[];
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    command: command.name(),
    description: command.description(),
    options: [...new Set([command, ...command.commands].flatMap((one) => one.options.map((option) => option.long ?? option.short ?? ''))), '--help'],
    subcommands: command.commands.map((sub) => sub.name()),
  }));
}

function bash(words: readonly Words[]): string {
  const cases = words.map((w) => `    ${w.command}) COMPREPLY=($(compgen -W "${[...w.subcommands, ...w.options].join(' ')}" -- "$cur")) ;;`).join('\n');
  return `_orrery() {
  local cur="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${words.map((w) => w.command).join(' ')}" -- "$cur")); return; fi
  case "\${COMP_WORDS[COMP_CWORD-1]}" in --data-dir|--kubeconfig|--scheduler-config) COMPREPLY=($(compgen -f -- "$cur")); return ;; esac
  case "\${COMP_WORDS[1]}" in
${cases}
  esac
}
complete -F _orrery orrery
`;
}

function zsh(words: readonly Words[]): string {
  const commands = words.map((w) => `    '${w.command}:${w.description.replaceAll("'", '')}'`).join('\n');
  const cases = words.map((w) => `    ${w.command}) compadd -- ${[...w.subcommands, ...w.options].join(' ')} ;;`).join('\n');
  return `#compdef orrery
_orrery() {
  local -a commands; commands=(
${commands}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "$words[2]" in
${cases}
  esac
}
compdef _orrery orrery
`;
}

function fish(words: readonly Words[]): string {
  const lines = words.flatMap((w) => [
    `complete -c orrery -n __fish_use_subcommand -f -a ${w.command} -d '${w.description.replaceAll("'", '')}'`,
    ...w.subcommands.map((sub) => `complete -c orrery -n '__fish_seen_subcommand_from ${w.command}' -f -a ${sub}`),
    ...w.options.map((option) => `complete -c orrery -n '__fish_seen_subcommand_from ${w.command}' -l ${option.replace(/^-+/, '')}`),
  ]);
  return `${lines.join('\n')}\n`;
}

export function addCompletion(program: Command): void {
  const shells = { bash, zsh, fish };
  program
    .command('completion')
    .description('print a shell completion script, e.g. `source <(orrery completion bash)`')
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => {
      const write = shells[shell as keyof typeof shells];
      if (!write) throw new UserError(`no completion for ${JSON.stringify(shell)}; one of: ${Object.keys(shells).join(', ')}`, ExitCode.usage);
      process.stdout.write(write(wordsOf(program)));
    });
}
