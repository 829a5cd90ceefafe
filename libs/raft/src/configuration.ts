import type { ConfChange, Configuration, MemberId } from './messages.ts';

const without = (members: readonly MemberId[], member: MemberId): MemberId[] => members.filter((one) => one !== member);
const withMember = (members: readonly MemberId[], member: MemberId): MemberId[] => [...without(members, member), member].sort();

/** The configuration after a change of one member; the same object when nothing changes. */
export function applyConfChange(configuration: Configuration, change: ConfChange): Configuration {
  const { voters, learners } = configuration;
  const { member } = change;
  switch (change.type) {
    case 'addVoter':
      return voters.includes(member) ? configuration : { voters: withMember(voters, member), learners: without(learners, member) };
    case 'addLearner':
      // A voter is not made a learner: that would take a vote away unasked.
      return voters.includes(member) || learners.includes(member) ? configuration : { voters, learners: withMember(learners, member) };
    case 'remove':
      return voters.includes(member) || learners.includes(member) ? { voters: without(voters, member), learners: without(learners, member) } : configuration;
    case 'update':
      return configuration;
  }
}
