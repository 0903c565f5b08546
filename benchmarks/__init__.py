"""Speed against a peer and against the machine's limit, as JSON."""
