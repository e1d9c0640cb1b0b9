"""Ways out of the suite: mail servers, gateways for short messages, and how any other server is asked over HTTP."""
