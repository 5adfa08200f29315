// Package e2e plays whole stories: the real controller and agent as processes, real Docker, real game servers, a bot that
// plays, a browser that looks. It holds tests only; scripts/e2e prepares the machine and runs them.
package e2e
