package weir

import "weir/internal/gen/imports/weir_filter_secrets"

// Secret is text that stands for a secret of the agent's, to be put into a field of this exchange's request or of a call for it: the
// agent puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call fails.
// Empty: the agent has no such secret, or the publication does not grant it. Good for this exchange only. Needs the grant secrets.
func Secret(exchange Live, name string) string {
	found := weir_filter_secrets.Placeholder(exchange.of(), name)
	if found.IsNone() {
		return ""
	}
	return found.Some()
}
