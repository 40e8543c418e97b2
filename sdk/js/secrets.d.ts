/** Secrets that a filter uses and cannot read. A filter that imports this module needs the grant `secrets`. */

import type { Subject } from "weir";

export const secrets: {
  /**
   * Text that stands for a secret of the agent's, to be put into a field of this exchange's request or of a call for it: the agent
   * puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call fails.
   * `null`: the agent has no such secret, or the publication does not grant it. Good for this exchange only.
   */
  placeholder(of: Subject, name: string): string | null;
};
